import { checkData, checkType } from '../shared/checks'
import { invalidValue, messageOf } from '../shared/errors'
import { membersOf } from '../shared/given'
import { toJson } from '../shared/json'
import type { EventInput, EventRecord } from '../shared/event'
import { isVersion } from './codec'
import type { TypeEntry } from './codec'
import { chain, inOrder, parse, refused } from './parse'
import type { Eventual, EventPlace } from './parse'
import type { StandardSchema } from './types'

type Entries = ReadonlyMap<string, TypeEntry>

/**
 * The event to store: `data` as it was given, provided that its schema accepts its JSON form, in which it will be read.
 * Version 1 is not stored, so that untyped readers see the field `schemaVersion` only on newer versions.
 */
export function encode(entries: Entries, event: unknown, name: string): Eventual<EventInput> {
  const { schemaVersion: _, ...given } = membersOf(checkData(name, event), name)
  const type = checkType(`${name}.type`, given.type)
  const entry = entries.get(type)
  if (!entry) throw invalidValue(`${name}.type`, `${JSON.stringify(type)} is not an event type of this codec (${listOf(entries)})`, { type })
  const data = given.data === undefined ? undefined : toJson(given.data, `${name}.data`)
  const stored: EventInput = { ...given, type, data, ...entry.version > 1 && { schemaVersion: entry.version } }
  return chain(parse(entry.schema, data, { name, type, version: entry.version }), () => stored)
}

/** Decodes a stored event: upcasts its `data` version by version, then parses it with the current schema. */
export function decode(entries: Entries, event: EventRecord): Eventual<EventRecord> {
  const { id, type } = event
  const written: unknown = event.schemaVersion ?? 1
  const place: EventPlace = { name: `event ${id}`, id, type, version: isVersion(written) ? written : 0 }
  const entry = entries.get(type)
  if (!entry) {
    throw refused(place, 'type', `is not an event type of this codec (${listOf(entries)}): add it, or pass { unknown: 'skip' }`)
  }
  if (!isVersion(written)) throw refused(place, 'schemaVersion', `is ${JSON.stringify(written)}, which is not a version`)
  if (written > entry.version) {
    throw refused(place, 'schemaVersion', `is newer than version ${entry.version} of this codec: the event was written by a newer release of the app`)
  }
  const steps = Array.from({ length: entry.version - written }, (_, at) => written + at)
  const upgraded = upgrade(steps, entry, event, place)
  // After the upcasts, errors name the version of the schema.
  const parsed = chain(upgraded, data => parse(entry.schema, data, { ...place, version: entry.version }))
  return chain(parsed, data => withData(event, data))
}

/** Parses the `data` of an event of any type, as it was written, with one schema. */
export function decodeAs(schema: StandardSchema, event: EventRecord): Eventual<EventRecord> {
  const { id, type, schemaVersion } = event
  const place: EventPlace = { name: `event ${id}`, id, type, version: isVersion(schemaVersion) ? schemaVersion : 1 }
  return chain(parse(schema, event.data, place), data => withData(event, data))
}

function upgrade(steps: number[], { upcasts }: TypeEntry, event: EventRecord, place: EventPlace): Eventual<unknown> {
  let data: unknown = event.data
  const taken = inOrder(steps, version => chain(step(upcasts[version], data, event, { ...place, version }), (next) => {
    data = next
  }))
  return chain(taken, () => data)
}

function step(upcast: TypeEntry['upcasts'][number] | undefined, data: unknown, event: EventRecord, place: EventPlace): Eventual<unknown> {
  if (!upcast) throw refused(place, 'data', `can't be upcast to version ${place.version + 1}: add to the codec .upcast(${JSON.stringify(place.type)}, ${place.version}, …)`)
  const fail = (cause: unknown): never => {
    throw refused(place, 'data', `could not be upcast to version ${place.version + 1}: ${messageOf(cause)}`, { cause })
  }
  try {
    const next = upcast(data, event)
    return next instanceof Promise ? next.catch(fail) : next
  }
  catch (cause) {
    return fail(cause)
  }
}

function withData({ data: _, ...event }: EventRecord, data: unknown): EventRecord {
  return (data === undefined ? event : { ...event, data }) as EventRecord
}

const listOf = (entries: Entries) => [...entries.keys()].join(', ') || 'it has none'
