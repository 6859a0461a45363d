import type { Json } from '../shared/json'
import { isObject, startsWithMark } from '../shared/json'
import type { ColumnType, FieldSpec } from './types'

/** Conversion of JSON values to and from one type of column. */
export interface ColumnCodec {
  /** The SQL type a parameter is cast to. */
  sql: string
  /** A value that is not accepted is stored in the rest column instead, and this column is null. */
  accepts(value: Json, field: FieldSpec): boolean
  encode(value: Json): unknown
  decode(raw: unknown): Json
  /** The column can't return exactly this value: it is stored for SQL and filters, and the rest column keeps the original. */
  keepsOriginal?(value: Json): boolean
  /** A patch is merged into the stored value instead of replacing it. */
  merges?: true
  /** The column is numeric, so `increment` applies to it. */
  counts?: true
}

// A B-tree row holds at most 2,704 bytes, and an index may have several text columns.
const MAX_INDEXED_BYTES = 512
// Date and time with a zone: the format of Date.prototype.toISOString and its common variants.
const ISO_TIME = /^(?:\d{4}|[+-]\d{6})-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2})$/

const isInteger = (value: Json): value is number => Number.isSafeInteger(value)
const millisecondsOf = (value: Json): number => typeof value === 'string' ? Date.parse(value) : value as number
const stringify = (value: Json) => JSON.stringify(value)
// Fast path: most objects in a table are empty.
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
    // Turns -0 into 0: JSON has no -0.
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
    // Null in the column means that the field is absent.
    accepts: value => value !== null,
    encode: stringify,
    decode: parse,
  },
  // The key column is filled from the subject; the event codec compares the field with it.
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
  // Date parses the 30th of February as the 2nd of March.
  const day = value.slice(0, value.indexOf('T'))
  const parsed = new Date(`${day}T00:00:00.000Z`)
  return !Number.isNaN(parsed.getTime()) && parsed.toISOString().startsWith(day)
}

function fitsIndex(value: string): boolean {
  return value.length * 3 <= MAX_INDEXED_BYTES || Buffer.byteLength(value) <= MAX_INDEXED_BYTES
}
