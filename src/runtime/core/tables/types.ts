/** What a column holds. The codec knows how a value gets in and out. */
export type ColumnType = 'text' | 'integer' | 'time' | 'boolean' | 'object' | 'json' | 'key'

export interface FieldSpec {
  column: string
  type: ColumnType
  /** The column is part of a database index, which bounds the bytes of a text. */
  indexed?: boolean
  /** Few events have it: the column is left out of statements whose events don't. */
  sparse?: boolean
}

interface CommonSpec {
  /** `flow_runs` is the table `{prefix}_flow_runs`. */
  table: string
  /** Whole segments; a name in braces at the end is the key column, which takes the rest of the subject. */
  subject: string
  /** The jsonb column for whatever no field takes. */
  rest: string
  /** Dotted path of a value → its column. Plain data, so that it can travel into a bundle. */
  fields: Record<string, FieldSpec>
}

export interface StreamSpec extends CommonSpec {
  kind: 'stream'
  /** Key column that decides the partition; filled with the subject's prefix, it is not a capture. */
  partition?: string
}

export interface IndexSpec extends CommonSpec {
  kind: 'index'
  /** Column of the entry's id. */
  id: string
}

export type TableSpec = StreamSpec | IndexSpec

/**
 * A row as the drivers of the store return it: `bigint` and `jsonb` as text, `double precision` as number.
 * The codec turns them into values; JSON null and SQL null stay apart this way.
 */
export type Row = Record<string, unknown>
