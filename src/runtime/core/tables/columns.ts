import type { Json } from '../shared/json'
import { isObject, startsWithMark } from '../shared/json'
import type { ColumnType, FieldSpec } from './types'

/** How one type of column takes a value, and gives it back. */
export interface ColumnCodec {
  /** The SQL type a parameter is cast to. */
  sql: string
  /** A value that is not accepted stays in the rest column, and the column is null. */
  accepts(value: Json, field: FieldSpec): boolean
  encode(value: Json): unknown
  decode(raw: unknown): Json
  /** The column can't give back exactly this value: it serves SQL and filters, and the rest keeps the original. */
  keepsOriginal?(value: Json): boolean
  /** A patch is merged into the column, not put in its place. */
  merges?: true
  /** Numbers live here, `increment` works on the column. */
  counts?: true
}

// A B-tree row holds at most 2,704 bytes, and an index may have several texts.
const MAX_INDEXED_BYTES = 512
// Date and time with a zone: what Date.prototype.toISOString writes, and its close relatives.
const ISO_TIME = /^(?:\d{4}|[+-]\d{6})-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2})$/

const isInteger = (value: Json): value is number => Number.isSafeInteger(value)
const millisecondsOf = (value: Json): number => typeof value === 'string' ? Date.parse(value) : value as number
const stringify = (value: Json) => JSON.stringify(value)
// Most objects of a table are empty.
const parse = (raw: unknown) => raw === '{}' ? {} : JSON.parse(raw as string) as Json

export const columnCodecs: Record<ColumnType, ColumnCodec> = {
  text: {
    sql: 'text',
    accepts: (value, field) => typeof value === 'string' && !startsWithMark(value) && (!field.indexed || fitsIndex(value)),
    encode: value => value,
    decode: raw => raw as string,
  },
  integer: {
    sql: 'bigint',
    accepts: isInteger,
    // JSON knows no -0.
    encode: value => (value as number) + 0,
    decode: Number,
    counts: true,
  },
  time: {
    sql: 'bigint',
    accepts: value => isInteger(value) || isTimeText(value),
    encode: millisecondsOf,
    decode: Number,
    keepsOriginal: value => typeof value === 'string',
    counts: true,
  },
  boolean: {
    sql: 'boolean',
    accepts: value => typeof value === 'boolean',
    encode: value => value,
    decode: raw => raw as boolean,
  },
  object: {
    sql: 'jsonb',
    accepts: isObject,
    encode: stringify,
    decode: parse,
    merges: true,
  },
  json: {
    sql: 'jsonb',
    // Null in a column means that there is nothing.
    accepts: value => value !== null,
    encode: stringify,
    decode: parse,
  },
  // The key column is filled from the subject; the codec of events compares.
  key: {
    sql: 'text',
    accepts: value => typeof value === 'string',
    encode: value => value,
    decode: raw => raw as string,
  },
}

export const codecOf = (field: FieldSpec): ColumnCodec => columnCodecs[field.type]

function isTimeText(value: Json): boolean {
  if (typeof value !== 'string' || !ISO_TIME.test(value) || Number.isNaN(Date.parse(value))) return false
  // Date takes the 30th of February for the 2nd of March.
  const day = value.slice(0, value.indexOf('T'))
  const parsed = new Date(`${day}T00:00:00.000Z`)
  return !Number.isNaN(parsed.getTime()) && parsed.toISOString().startsWith(day)
}

function fitsIndex(value: string): boolean {
  return value.length * 3 <= MAX_INDEXED_BYTES || Buffer.byteLength(value) <= MAX_INDEXED_BYTES
}
