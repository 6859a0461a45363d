import type { Route } from '../tables/route'
import type { IndexSpec } from '../tables/types'
import { columnNamed } from '../shared/identifier'
import type { Statement } from '../sql/statement'
import { boundOf, bounded } from '../sql/bound'
import type { StatementContext } from '../sql/template'
import { keyCondition, statementFor } from '../sql/template'
import type { Condition } from './filter'
import { conditionSql } from './filter'
import { indexKeys, listedColumns, selectList } from './sql'
import { lookUp, sameAsInput } from '../sql/rows'

/** A page by offset, as in nvent's interface. */
export interface EntriesInput {
  route: Route<IndexSpec>
  offset: number
  limit: number
}

/**
 * Reads pages by offset; skipped rows are read as well. Pages without a filter can share a statement: `ord` is then the
 * number of the page. The rows of a page are in order.
 */
export function readEntries(context: StatementContext, inputs: EntriesInput[]): Statement {
  const { spec } = inputs[0]!.route
  const bound = boundOf(inputs.reduce((most, { limit, offset }) => Math.max(most, limit + offset), 0))
  return statementFor(context, `read ${spec.table} ${bound}`, inputs, () => {
    const keys = indexKeys<EntriesInput>(spec)
    return {
      columns: [
        ...keys,
        { ...columnNamed('limit'), cast: 'bigint', of: input => input.limit },
        { ...columnNamed('offset'), cast: 'bigint', of: input => input.offset },
      ],
      sql: rows => lookUp(rows, entriesSql(context, spec, [sameAsInput(keys, rows)], rows.ref('limit'), rows.ref('offset'), bound)),
    }
  })
}

export function readMatchingEntries(
  context: StatementContext, { route: { spec, keys }, limit, offset }: EntriesInput, conditions: Condition[],
): Statement {
  const values: unknown[] = [context.tenant, ...keys, limit, offset]
  const [limitAt, offsetAt] = [`$${values.length - 1}::bigint`, `$${values.length}::bigint`]
  const filters = conditionsSql(spec, conditions, values)
  return {
    ...compilerOf(context, conditions)(`read ${spec.table} ${conditions.map(condition => condition.shape).join(',')}`, () =>
      entriesSql(context, spec, [keyCondition(spec), ...filters()], limitAt, offsetAt)),
    values,
  }
}

function entriesSql(
  { names }: StatementContext, spec: IndexSpec, conditions: string[], limit: string, offset: string, bound?: number,
): string {
  return bounded({
    select: `
select ${selectList(spec)}${bound === undefined ? '' : ', seq'} from ${names.table(spec.table)}
where ${conditions.join('\n  and ')}`,
    order: 'score desc, seq',
    bound,
    page: `limit ${limit} offset ${offset}`,
    columns: listedColumns(spec),
  })
}

export interface PageRange {
  order: 'asc' | 'desc'
  limit: number
  min: number | undefined
  max: number | undefined
  /** The last entry of the previous page. */
  after: { score: number, seq: string } | undefined
  conditions: Condition[]
}

/**
 * One page in order of score and insertion. After a cursor the page has two parts, the remaining entries with the same
 * score and those with further scores. Each part is an index scan, so that no page costs more than the first.
 */
export function readPage(context: StatementContext, route: Route<IndexSpec>, range: PageRange): Statement {
  const { spec } = route
  const { order, min, max, after } = range
  const values: unknown[] = [context.tenant, ...route.keys, range.limit]
  const limit = `$${values.length}::bigint`
  // With a filter, every call is planned for its values anyway.
  const bound = range.conditions.length > 0 ? undefined : boundOf(range.limit)
  const add = (value: unknown) => `$${values.push(value)}`
  const bounds = [
    ...(min === undefined ? [] : [`score >= ${add(min)}::double precision`]),
    ...(max === undefined ? [] : [`score <= ${add(max)}::double precision`]),
  ]
  const cursor = after && { score: `${add(after.score)}::double precision`, seq: `${add(after.seq)}::bigint` }
  const conditions = conditionsSql(spec, range.conditions, values)
  const table = context.names.table(spec.table)
  const shape = `${order} ${bound} ${bounds.length} ${min === undefined} ${after === undefined} ${range.conditions.map(condition => condition.shape).join(',')}`
  return {
    ...compilerOf(context, range.conditions)(`page ${table} ${shape}`, () => {
      const [onward, beyond, later] = order === 'desc'
        ? ['score desc, seq', '<', '>']
        : ['score, seq desc', '>', '<']
      const part = (more: string[]) => `select ${selectList(spec)}, seq from ${table}
where ${[keyCondition(spec), ...bounds, ...more, ...conditions()].join('\n  and ')}
order by ${onward} limit ${bound ?? limit}`
      const parts = cursor ? [[`score = ${cursor.score}`, `seq ${later} ${cursor.seq}`], [`score ${beyond} ${cursor.score}`]] : [[]]
      return `
select * from (
${parts.map(more => `(${part(more)})`).join('\nunion all\n')}
) as page
order by ${onward} limit ${limit}`
    }),
    values,
  }
}

/** Counts all entries of a key from the counters that triggers maintain (migrations/0002), without reading the entries. */
export function countAllEntries(context: StatementContext, { spec, keys }: Route<IndexSpec>): Statement {
  return {
    ...context.cache.compile('count all', () => `
select coalesce(pg_catalog.sum(entries), 0) as count from ${context.names.table('entry_counts')}
where tenant_id = $1::text and table_name = $2::text and key = $3::text`),
    values: [context.tenant, spec.table, keys[0] ?? ''],
  }
}

/** Combines the counter rows of each key, a limited number at a time. Rows that another instance has locked are skipped. */
export function compactCounts(context: StatementContext, limit: number): Statement {
  const table = context.names.table('entry_counts')
  return {
    ...context.cache.compile('compact counts', () => `
with crowded as (
  select tenant_id, table_name, key from ${table} group by tenant_id, table_name, key having pg_catalog.count(*) > 1
),
taken as (
  delete from ${table} where ctid = any(array(
    select c.ctid from ${table} c join crowded using (tenant_id, table_name, key) limit $1::bigint for update of c skip locked
  ))
  returning tenant_id, table_name, key, entries
)
insert into ${table} (tenant_id, table_name, key, entries)
select tenant_id, table_name, key, pg_catalog.sum(entries) from taken group by tenant_id, table_name, key`),
    values: [limit],
  }
}

/** Counts the entries that match a filter. */
export function countEntries(context: StatementContext, route: Route<IndexSpec>, conditions: Condition[]): Statement {
  const { spec } = route
  const values: unknown[] = [context.tenant, ...route.keys]
  const filters = conditionsSql(spec, conditions, values)
  const table = context.names.table(spec.table)
  return {
    ...compilerOf(context, conditions)(`count ${table} ${conditions.map(condition => condition.shape).join(',')}`, () => `
select pg_catalog.count(*) as count from ${table}
where ${[keyCondition(spec), ...filters()].join('\n  and ')}`),
    values,
  }
}

/** Statements with a filter are planned for their values, since the best index depends on how rare a value is. */
function compilerOf({ cache }: StatementContext, conditions: Condition[]) {
  return conditions.length > 0 ? cache.unprepared : cache.compile
}

/** Adds the values of the conditions to the parameters. The returned function builds their SQL when a statement is compiled. */
function conditionsSql(spec: IndexSpec, conditions: Condition[], values: unknown[]): () => string[] {
  const firsts = conditions.map((condition) => {
    const first = values.length + 1
    values.push(...condition.values)
    return first
  })
  return () => conditions.map((condition, at) => conditionSql(spec, condition, firsts[at]!))
}
