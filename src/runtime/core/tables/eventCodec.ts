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

/** An event split into the columns of its table. `columns` are in the order of `valueFields`. */
export interface EncodedEvent {
  type: string
  columns: unknown[]
  /**
   * JSON of the fields without a column, or null when there are none. It is wrapped in an array when the event did not
   * have the field of the key column: that column is never null, and decoding must not add the field.
   */
  rest: string | null
}

// A registered symbol, so that several copies of this module in one bundle share it.
const VERSION: unique symbol = Symbol.for('nvent-store-postgres:version')
// Members of a record that the store sets: values given by the caller are ignored (contract: append).
const STORE_MEMBERS = ['id', 'ts', 'type']
const IGNORED = -1

/** Data that the codec derives once from each spec. */
interface Layout {
  /** Fields that have columns of their own, without the keys, and the index of each member in `columns`. */
  values: Field[]
  places: Map<string, number>
  /** The field that corresponds to the key column. An event table has one capture. */
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

/** The fields that have columns of their own, without the keys. */
export const valueFields = (spec: StreamSpec): Field[] => layoutOf(spec).values

/**
 * Splits an event into the columns of its table. `path` names the event in errors.
 * @throws {StoreError} INVALID_VALUE that names the path of the part that can't be stored
 */
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
      // Null in the column means that the field is absent, so a JSON null goes into the rest.
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

/** A row of an event table → the record: the event as it was appended, with its id and time. */
export function decodeEvent(spec: StreamSpec, row: Row): EventRecord {
  const { values, key } = layoutOf(spec)
  const cells = [row.id, row.ts, row.version, row.type, ...values.map(field => row[field.column]), row[spec.rest]]
  return decodeCells(spec, cells, 0, key && row[key.column] as string)
}

/** The same for values in the order of `pageColumns`, starting at index `first`; `key` is the value of the key column. */
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

/** The record that `decodeEvent` would return, made from the sent event and the values that the database assigned. */
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
  // Fast path: most events have no further fields.
  if (raw === null || raw === '[{}]') return [undefined, raw === null]
  const stored = JSON.parse(raw as string) as JsonObject | [JsonObject]
  return Array.isArray(stored) ? [stored[0], false] : [stored, true]
}

function withRest(record: JsonObject, rest: JsonObject | undefined): JsonObject {
  if (rest) for (const name of Object.keys(rest)) put(record, name, rest[name]!)
  return record
}

/** A row of the archive → the record that `read` returned while the event was in the log. */
export function decodeArchived(row: Row): EventRecord {
  const record = newRecord(row.id, row.ts, row.type)
  return versioned(withRest(record, JSON.parse(row.record as string) as JsonObject), row.version)
}

function versioned(record: JsonObject, version: unknown): EventRecord {
  return Object.defineProperty(record as unknown as EventRecord, VERSION, { value: Number(version) })
}

/** A copy of a record with other members, which is still known by its version. */
export function copyRecord<More extends object>(event: EventRecord, more: More | undefined): EventRecord & More {
  const copy = { ...event, ...more } as EventRecord & More
  const version = knownVersion(event)
  if (version !== undefined) versioned(copy as unknown as JsonObject, version)
  return copy
}

/** The version of a record that the store returned; undefined for anything else. */
export const knownVersion = (event: object | undefined): number | undefined => (event as { [VERSION]?: number } | undefined)?.[VERSION]

/**
 * The version of an event within its subject: 1, 2, 3 … It is not an enumerable member of the record, because an event
 * may have a `version` field of its own; a copy of a record (`{ ...event }`, JSON) therefore has no version.
 * @throws {StoreError} INVALID_VALUE when the value is not a record returned by a store
 * @example await store.stream.append('orders:42', event, { expectedVersion: versionOf(last) })
 */
export function versionOf(event: EventRecord): number {
  const version = knownVersion(event)
  if (version === undefined) throw invalidValue('event', 'has no version: it is not a record returned by the store, but perhaps a copy of one')
  return version
}
