import type { NamedColumn } from '../../shared/identifier'
import { columnNamed } from '../../shared/identifier'
import { valueFields } from '../../tables/eventCodec'
import { columnsOf, fieldsOf } from '../../tables/fields'
import type { Route } from '../../tables/route'
import type { StreamSpec } from '../../tables/types'
import type { Statement } from '../../sql/statement'
import { boundOf, bounded } from '../../sql/bound'
import type { StatementContext } from '../../sql/template'
import { statementFor } from '../../sql/template'
import type { InputColumn, InputRows } from '../../sql/rows'
import { fieldColumns, lookUp, sameAsInput, selectColumns } from '../../sql/rows'
import { streamKeys } from '../append/appendShape'

export interface ReadRange {
  types?: string[] | undefined
  after?: string | undefined
  before?: string | undefined
  /** Inclusive. */
  fromVersion?: number | undefined
  toVersion?: number | undefined
  /** Milliseconds, as a decimal string. */
  from?: string | undefined
  to?: string | undefined
  limit?: number | undefined
  order: 'asc' | 'desc'
}

/** A page of one subject. */
export interface ReadInput {
  route: Route<StreamSpec>
  range: ReadRange
}

interface Bound {
  name: Exclude<keyof ReadRange, 'order'>
  cast: string
  /** All inputs of a statement have the same value. */
  shared?: boolean
  /** The condition on an event. */
  condition?(value: string, table: string, ofSubject: string): string
}

// Versions, ids and times of a subject grow together, and pages are read through the index on versions. Every bound is
// converted to a version, so that no page reads events outside its bounds.
const bounds: Bound[] = [
  { name: 'after', cast: 'bigint', condition: (id, table, ofSubject) => `version > ${versionAt(id, 'version', table, ofSubject)}` },
  { name: 'before', cast: 'bigint', condition: (id, table, ofSubject) => `version <= ${versionAt(id, 'version - 1', table, ofSubject)}` },
  { name: 'fromVersion', cast: 'bigint', condition: version => `version >= ${version}` },
  { name: 'toVersion', cast: 'bigint', condition: version => `version <= ${version}` },
  { name: 'types', cast: 'text[]', shared: true, condition: types => `type = any(${types})` },
  { name: 'from', cast: 'bigint', condition: (from, table, ofSubject) =>
    `version >= (select version from ${table} where ${ofSubject} and ts >= ${from} order by ts, version limit 1)` },
  { name: 'to', cast: 'bigint', condition: (to, table, ofSubject) =>
    `version <= (select version from ${table} where ${ofSubject} and ts <= ${to} order by ts desc, version desc limit 1)` },
  { name: 'limit', cast: 'bigint' },
]

/** Pages of one shape have the same SQL. */
export function rangeShape(range: ReadRange): string {
  let shape: string = range.order
  for (const { name } of bounds) if (range[name] !== undefined) shape += ` ${name}`
  return shape
}

/** Pages of one subject and one shape with the same key are identical. */
export function rangeKey(range: ReadRange): string {
  let key = ''
  for (const { name } of bounds) if (range[name] !== undefined) key += ` ${String(range[name])}`
  return key
}

/**
 * Reads a page of one subject, or several pages of one shape and one partition, which then need a limit. With several
 * pages, the first value of a row is the number of its page. The rows of a page are in order and have no key columns.
 */
export function readEvents(context: StatementContext, inputs: ReadInput[]): Statement {
  const [{ route: { spec }, range }] = inputs as [ReadInput]
  const bound = pageBound(inputs)
  return statementFor(context, `read ${spec.table} ${rangeShape(range)} ${bound}`, inputs, () => ({
    columns: readColumns(spec, range),
    sql: rows => lookUp(rows, livePage(context, inputs[0]!, bound, rows)),
  }), readPlanned(inputs[0]!))
}

export const pageBound = (inputs: ReadInput[]): number | undefined =>
  boundOf(inputs.reduce((most, { range: { limit = Infinity } }) => Math.max(most, limit), 0))

/**
 * A generic plan includes every partition, for each shape and connection, and can't take into account whether a type is
 * rare in its subject. Such reads are planned in every call.
 */
export const readPlanned = ({ route: { spec }, range }: ReadInput) => spec.partition || range.types ? 'each time' : 'once'

/** The input columns of a page: the keys of the subject and the bounds of the range. */
export function readColumns(spec: StreamSpec, range: ReadRange): InputColumn<ReadInput>[] {
  return [
    ...streamKeys<ReadInput>(spec),
    ...givenBounds(range).map(({ name, cast, shared = false }) => ({ ...columnNamed(name), cast, shared, of: ({ range }: ReadInput) => range[name] })),
  ]
}

const givenBounds = (range: ReadRange) => bounds.filter(({ name }) => range[name] !== undefined)

/** The select of a page of the log. */
export function livePage(context: StatementContext, { route: { spec }, range }: ReadInput, bound: number | undefined, rows: InputRows<ReadInput>): string {
  return bounded({
    select: `
select ${selectColumns(spec, pageColumns(spec))}
from ${context.names.table(spec.table)}
where ${rangeConditions(context, spec, range, rows).join('\n  and ')}`,
    order: `version ${range.order}`,
    bound,
    page: range.limit === undefined ? '' : `limit ${rows.ref('limit')}`,
    columns: pageColumns(spec),
  })
}

/** The conditions on the events of a page. */
export function rangeConditions<I extends ReadInput>(context: StatementContext, spec: StreamSpec, range: ReadRange, rows: Pick<InputRows<I>, 'ref'>): string[] {
  const table = context.names.table(spec.table)
  const ofSubject = sameAsInput(streamKeys<ReadInput>(spec), rows)
  const conditions = givenBounds(range).flatMap(({ name, condition }) => condition ? [condition(rows.ref(name), table, ofSubject)] : [])
  return [ofSubject, 'dismissed is null', ...conditions]
}

const STORE_COLUMNS = ['id', 'ts', 'version', 'type'].map(columnNamed)

/** The select list for `decodeEvent`. */
export function eventColumns(spec: StreamSpec, table = ''): string {
  return selectColumns(spec, [...STORE_COLUMNS, ...fieldColumns(fieldsOf(spec)), columnsOf(spec).rest], table)
}

/** The columns for `decodeCells`, in order. */
export function pageColumns(spec: StreamSpec): NamedColumn[] {
  return [...STORE_COLUMNS, ...fieldColumns(valueFields(spec)), columnsOf(spec).rest]
}

/** The version at a position, which is an id. An id of another subject, or of no event, stands for the last event before it. */
function versionAt(id: string, own: string, table: string, ofSubject: string): string {
  return `coalesce(
    (select ${own} from ${table} where ${ofSubject} and id = ${id}),
    ${lastVersionBefore(table, ofSubject, id)})`
}

/**
 * The last version with an id below the given one, found by binary search: ids and versions of a subject grow together,
 * and only versions have an index. Every version up to `low` has a lower id, every version above `high` has the id or a
 * higher one. The versions `low` and `high` themselves need not exist.
 */
function lastVersionBefore(table: string, ofSubject: string, id: string): string {
  return `(with recursive halves (low, high) as (
      select 0::bigint, coalesce((select version from ${table} where ${ofSubject} order by version desc limit 1), 0)
      union all
      select case when middle.id < ${id} or middle.id is null then (low + high + 1) / 2 else low end,
        case when middle.id >= ${id} then middle.version - 1 else high end
      from halves left join lateral (
        select id, version from ${table}
        where ${ofSubject} and version > low and version <= (low + high + 1) / 2 order by version desc limit 1
      ) as middle on true
      where low < high
    ) select pg_catalog.max(low) from halves)`
}
