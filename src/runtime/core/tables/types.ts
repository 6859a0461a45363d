/** The type of a column's values. Each type has a codec. */
export type ColumnType = 'text' | 'integer' | 'time' | 'boolean' | 'object' | 'json' | 'key'

export interface FieldSpec {
  column: string
  type: ColumnType
  /** The column is part of a database index, which limits the length of its strings. */
  indexed?: boolean
  /** Few events have the field: statements omit the column when none of their events has it. */
  sparse?: boolean
}

interface CommonSpec {
  /** Table name without the prefix: `flow_runs` is the table `{prefix}_flow_runs`. */
  table: string
  /** Pattern of the subject. A name in braces at the end is the key column that holds the rest of the subject. */
  subject: string
  /** The jsonb column for all values without a column of their own. */
  rest: string
  /** Dotted path of a value → its column. Plain data, so that it can be serialized into a bundle. */
  fields: Record<string, FieldSpec>
}

export interface StreamSpec extends CommonSpec {
  kind: 'stream'
  /** Key column that determines the partition. It holds the subject's prefix and is not a capture. */
  partition?: string
}

export interface IndexSpec extends CommonSpec {
  kind: 'index'
  /** Column that holds the entry's id. */
  id: string
}

export type TableSpec = StreamSpec | IndexSpec

/**
 * A row as the store's drivers return it: `bigint` and `jsonb` as strings, `double precision` as a number. The codec
 * converts them, which keeps JSON null and SQL null distinct.
 */
export type Row = Record<string, unknown>
