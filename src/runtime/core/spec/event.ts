import { checkObject, checkType } from '../arguments'
import type { Row } from '../db/types'
import { invalidValue } from '../errors'
import type { JsonObject } from '../json'
import { encodeJson, put, textProblem, toJson } from '../json'
import type { EventRecord } from '../types/index'
import { codecOf } from './columns'
import type { Field } from './fields'
import { fieldsOf } from './fields'
import type { Route } from './route'
import type { StreamSpec } from './types'

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
const STORE_MEMBERS = new Set(['id', 'ts', 'type'])

/** The fields that have columns of their own beside the keys. */
export function valueFields(spec: StreamSpec): Field[] {
  return fieldsOf(spec).filter(field => field.type !== 'key')
}

/** `path` names the event in errors. */
export function encodeEvent(route: Route<StreamSpec>, input: unknown, path = 'event'): EncodedEvent {
  const event = checkObject(path, input)
  const type = checkType(`${path}.type`, event.type)
  const fields = new Map(fieldsOf(route.spec).map(field => [field.name, field]))
  const values = new Map<string, unknown>()
  const rest: JsonObject = {}
  let keyed = ![...fields.values()].some(field => field.type === 'key')
  for (const name of Object.keys(event)) {
    const value = event[name]
    if (value === undefined || STORE_MEMBERS.has(name)) continue
    const field = fields.get(name)
    if (field?.type === 'json') {
      values.set(name, encodeJson(value, `${path}.${name}`))
    }
    else if (field?.type === 'key' && value === keyValue(route, field)) {
      keyed = true
    }
    else if (typeof value !== 'function' && typeof value !== 'symbol') {
      const problem = textProblem(name)
      if (problem) throw invalidValue(`the name of ${path}.*`, problem)
      const json = toJson(value, `${path}.${name}`)
      if (field && field.type !== 'key' && codecOf(field).accepts(json, field)) values.set(name, codecOf(field).encode(json))
      else put(rest, name, json)
    }
  }
  const columns = valueFields(route.spec).map(field => values.get(field.name) ?? null)
  return { type, columns, rest: encodeRest(rest, keyed) }
}

function encodeRest(rest: JsonObject, keyed: boolean): string | null {
  if (!keyed) return JSON.stringify([rest])
  return Object.keys(rest).length > 0 ? JSON.stringify(rest) : null
}

/** A row of an event table → the record as it was given, with its id and time. */
export function decodeEvent(spec: StreamSpec, row: Row): EventRecord {
  const record: JsonObject = { id: String(row.id), ts: Number(row.ts), type: row.type as string }
  const stored = row[spec.rest] === null ? {} : JSON.parse(row[spec.rest] as string) as JsonObject | [JsonObject]
  const [rest, keyed] = Array.isArray(stored) ? [stored[0], false] : [stored, true]
  for (const field of fieldsOf(spec)) {
    const raw = row[field.column]
    if (raw !== null && raw !== undefined && (keyed || field.type !== 'key')) {
      record[field.name] = codecOf(field).decode(raw)
    }
  }
  for (const name of Object.keys(rest)) put(record, name, rest[name]!)
  return versioned(record, row)
}

/** A row of the archive → the record as `read` gave it while it was in the log. */
export function decodeArchived(row: Row): EventRecord {
  const record: JsonObject = { id: String(row.id), ts: Number(row.ts), type: row.type as string }
  const fields = JSON.parse(row.record as string) as JsonObject
  for (const name of Object.keys(fields)) put(record, name, fields[name]!)
  return versioned(record, row)
}

function versioned(record: JsonObject, row: Row): EventRecord {
  return Object.defineProperty(record as unknown as EventRecord, VERSION, { value: Number(row.version) })
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

function keyValue(route: Route<StreamSpec>, field: Field): string | undefined {
  // The only key column a field can stand for is a capture, and an event table has one.
  return field.type === 'key' ? route.keys.at(-1) : undefined
}
