import { checkData, checkType } from '../shared/checks'
import { invalidValue } from '../shared/errors'
import { namesIn, readMember } from '../shared/given'
import type { JsonObject } from '../shared/json'
import { encodeJson, put, textProblem, toJson } from '../shared/json'
import type { EventRecord } from '../shared/event'
import type { Field } from './fields'
import { fieldsOf } from './fields'
import type { Route } from './route'
import type { Row, StreamSpec } from './types'

/** An event taken apart for its table. `columns` follow `valueFields`. */
export interface EncodedEvent {
  type: string
  columns: unknown[]
  /**
   * Null for nothing. An object holds the fields without a column. An array around it says that the event did
   * not carry the field of the key column, which can't be null: nothing is invented on the way back.
   */
  rest: string | null
}

// The same in every copy of this module that a bundle may hold.
const VERSION: unique symbol = Symbol.for('nvent-store-postgres:version')
// The store's own members of a record: a caller's are ignored (contract: append).
const STORE_MEMBERS = ['id', 'ts', 'type']
const IGNORED = -1

/** What the codec needs to know of a spec, found out once. */
interface Layout {
  /** Fields with columns of their own beside the keys, and the places of members in `columns`. */
  values: Field[]
  places: Map<string, number>
  /** The field that stands for the key column. An event table has one capture. */
  key: Field | undefined
}

const layouts = new WeakMap<StreamSpec, Layout>()

function layoutOf(spec: StreamSpec): Layout {
  let layout = layouts.get(spec)
  if (!layout) {
    const values = fieldsOf(spec).filter(field => field.type !== 'key')
    layout = {
      values,
      places: new Map([
        ...values.map((field, at) => [field.name, at] as const),
        ...STORE_MEMBERS.map(name => [name, IGNORED] as const),
      ]),
      key: fieldsOf(spec).find(field => field.type === 'key'),
    }
    layouts.set(spec, layout)
  }
  return layout
}

/** The fields that have columns of their own beside the keys. */
export const valueFields = (spec: StreamSpec): Field[] => layoutOf(spec).values

/** `path` names the event in errors. */
export function encodeEvent(route: Route<StreamSpec>, input: unknown, path = 'event'): EncodedEvent {
  const event = checkData(path, input)
  const type = checkType(`${path}.type`, readMember(event, 'type', path))
  const { values, places, key } = layoutOf(route.spec)
  const columns: unknown[] = values.map(() => null)
  const rest: JsonObject = {}
  let keyed = key === undefined
  for (const name of namesIn(event, path)) {
    const value = readMember(event, name, path)
    const place = places.get(name)
    if (value === undefined || place === IGNORED) continue
    const field = place === undefined ? undefined : values[place]
    if (field?.type === 'json') {
      const text = encodeJson(value, path, name)
      // Null in a column means that there is nothing.
      if (text === 'null') rest[name] = null
      else columns[place!] = text
    }
    else if (name === key?.name && value === route.keys.at(-1)) {
      keyed = true
    }
    else if (typeof value !== 'function' && typeof value !== 'symbol') {
      const problem = field ? undefined : textProblem(name)
      if (problem) throw invalidValue(`the name of ${path}.*`, problem)
      const json = toJson(value, path, name)
      if (field?.codec.accepts(json, field)) columns[place!] = field.codec.encode(json)
      else put(rest, name, json)
    }
  }
  return { type, columns, rest: encodeRest(rest, keyed) }
}

function encodeRest(rest: JsonObject, keyed: boolean): string | null {
  const empty = Object.keys(rest).length === 0
  if (!keyed) return empty ? '[{}]' : JSON.stringify([rest])
  return empty ? null : JSON.stringify(rest)
}

/** A row of an event table → the record as it was given, with its id and time. */
export function decodeEvent(spec: StreamSpec, row: Row): EventRecord {
  const { values, key } = layoutOf(spec)
  const cells = [row.id, row.ts, row.version, row.type, ...values.map(field => row[field.column]), row[spec.rest]]
  return decodeCells(spec, cells, 0, key && row[key.column] as string)
}

/** The same from values in the order of `pageColumns`, from `first` on; `key` is what the key column holds. */
export function decodeCells(spec: StreamSpec, cells: unknown[], first: number, key: string | undefined): EventRecord {
  const { values, key: keyField } = layoutOf(spec)
  const record = newRecord(cells[first], cells[first + 1], cells[first + 3])
  const own = first + 4
  const [rest, keyed] = decodeRest(cells[own + values.length])
  if (keyField && keyed) record[keyField.name] = key!
  for (let at = 0; at < values.length; at++) {
    const raw = cells[own + at]
    if (raw !== null && raw !== undefined) record[values[at]!.name] = values[at]!.codec.decode(raw)
  }
  return versioned(withRest(record, rest), cells[first + 2])
}

/** The record `decodeEvent` will give, made of what was sent and what the database added. */
export function recordOf({ spec, keys }: Route<StreamSpec>, event: EncodedEvent, stored: { id?: unknown, ts?: unknown, version?: unknown }): EventRecord {
  const { values, key } = layoutOf(spec)
  const record = newRecord(stored.id, stored.ts, event.type)
  const [rest, keyed] = decodeRest(event.rest)
  if (key && keyed) record[key.name] = keys.at(-1)!
  for (let at = 0; at < values.length; at++) {
    const raw = event.columns[at]
    if (raw !== null) record[values[at]!.name] = values[at]!.codec.decode(raw)
  }
  return versioned(withRest(record, rest), stored.version)
}

const newRecord = (id: unknown, ts: unknown, type: unknown): JsonObject =>
  ({ id: String(id), ts: Number(ts), type: type as string })

function decodeRest(raw: unknown): [rest: JsonObject | undefined, keyed: boolean] {
  // What most events of a key column have that name no key themselves.
  if (raw === null || raw === '[{}]') return [undefined, raw === null]
  const stored = JSON.parse(raw as string) as JsonObject | [JsonObject]
  return Array.isArray(stored) ? [stored[0], false] : [stored, true]
}

function withRest(record: JsonObject, rest: JsonObject | undefined): JsonObject {
  if (rest) for (const name of Object.keys(rest)) put(record, name, rest[name]!)
  return record
}

/** A row of the archive → the record as `read` gave it while it was in the log. */
export function decodeArchived(row: Row): EventRecord {
  const record = newRecord(row.id, row.ts, row.type)
  return versioned(withRest(record, JSON.parse(row.record as string) as JsonObject), row.version)
}

function versioned(record: JsonObject, version: unknown): EventRecord {
  return Object.defineProperty(record as unknown as EventRecord, VERSION, { value: Number(version) })
}

/**
 * The version of an event within its subject: 1, 2, 3 … It is not a member of the record, as an event may have a
 * `version` of its own and nothing is invented; a copy of a record (`{ ...event }`, JSON) does not carry it.
 * @throws {StoreError} INVALID_VALUE when the event did not come from a store
 * @example await store.stream.append('orders:42', event, { expectedVersion: versionOf(last) })
 */
export function versionOf(event: EventRecord): number {
  const version = (event as { [VERSION]?: number } | undefined)?.[VERSION]
  if (version === undefined) throw invalidValue('event', 'has no version: it is not a record that a store gave, but perhaps a copy of one')
  return version
}
