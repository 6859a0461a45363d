import type { JsonObject } from '../json'
import { isObject } from '../json'
import type { Change } from '../spec/metadata'
import { castOf, fieldsOf } from '../spec/fields'
import type { Route } from '../spec/route'
import { keyColumns } from '../spec/route'
import type { IndexSpec } from '../spec/types'
import type { Statement } from '../sql/statement'
import type { StatementContext } from './context'
import { keyCondition, parameters } from './context'
import type { Condition } from './filter'
import { conditionSql } from './filter'

/** An entry: tenant, keys and id are parameters 1 … n of every statement. */
function entryOf(context: StatementContext, route: Route<IndexSpec>, id: string) {
  const columns = ['tenant_id', ...keyColumns(route.spec), route.spec.id]
  return {
    table: context.names.table(route.spec.table),
    columns,
    where: keyCondition(columns),
    values: [context.tenant, ...route.keys, id] as unknown[],
    /** Number of the first parameter after them. */
    next: columns.length + 1,
  }
}

function selectList(spec: IndexSpec): string {
  const columns = [spec.id, 'score', 'version', ...fieldsOf(spec).map(field => field.column), spec.rest]
  return columns.map(column => `"${column}"`).join(', ')
}

/** Adds an entry or replaces it whole; one that is replaced keeps its place among equal scores. */
export function addEntry(
  context: StatementContext, route: Route<IndexSpec>, id: string, score: number,
  metadata: { columns: unknown[], rest: string } | undefined,
): Statement {
  const entry = entryOf(context, route, id)
  const fields = fieldsOf(route.spec)
  const columns = ['score', ...fields.map(field => field.column), route.spec.rest]
  const casts = ['double precision', ...fields.map(field => castOf(field.type)), 'jsonb']
  return {
    ...context.cache.compile(`add ${entry.table}`, () => `
insert into ${entry.table} (${[...entry.columns, ...columns].map(column => `"${column}"`).join(', ')})
values (${parameters(entry.columns.map(() => 'text'), 1)}, ${parameters(casts, entry.next)})
on conflict (${entry.columns.map(column => `"${column}"`).join(', ')}) do update set
  ${columns.map(column => `"${column}" = excluded."${column}"`).join(', ')},
  version = 0, updated_at = statement_timestamp()`),
    values: [...entry.values, score, ...(metadata?.columns ?? fields.map(() => null)), metadata?.rest ?? null],
  }
}

export function getEntry(context: StatementContext, route: Route<IndexSpec>, id: string): Statement {
  const entry = entryOf(context, route, id)
  return {
    ...context.cache.compile(`get ${entry.table}`, () =>
      `select ${selectList(route.spec)} from ${entry.table} where ${entry.where}`),
    values: entry.values,
  }
}

export function entryExists(context: StatementContext, route: Route<IndexSpec>, id: string): Statement {
  const entry = entryOf(context, route, id)
  return {
    ...context.cache.compile(`exists ${entry.table}`, () => `select 1 from ${entry.table} where ${entry.where}`),
    values: entry.values,
  }
}

export function deleteEntry(context: StatementContext, route: Route<IndexSpec>, id: string): Statement {
  const entry = entryOf(context, route, id)
  return {
    ...context.cache.compile(`delete ${entry.table}`, () => `delete from ${entry.table} where ${entry.where}`),
    values: entry.values,
  }
}

export function readEntries(
  context: StatementContext, route: Route<IndexSpec>,
  range: { offset: number, limit: number, conditions: Condition[] },
): Statement {
  const { spec } = route
  const keys = ['tenant_id', ...keyColumns(spec)]
  const values: unknown[] = [context.tenant, ...route.keys, range.limit, range.offset]
  const [limit, offset] = [values.length - 1, values.length]
  const table = context.names.table(spec.table)
  const shape = range.conditions.map(condition => condition.shape).join(',')
  const filters = range.conditions.map((condition) => {
    const first = values.length + 1
    values.push(...condition.values)
    return () => `\n  and ${conditionSql(spec, condition, first)}`
  })
  return {
    ...context.cache.compile(`read ${table} ${shape}`, () => `
select ${selectList(spec)} from ${table}
where ${keyCondition(keys)}${filters.map(filter => filter()).join('')}
order by score desc, seq
limit $${limit}::bigint offset $${offset}::bigint`),
    values,
  }
}

/** Merges a patch in one statement: columns are assigned or merged, the rest gets what no column takes. */
export function updateEntry(
  context: StatementContext, route: Route<IndexSpec>, id: string,
  patch: { changes: Change[], rest: JsonObject }, expectedVersion: number | undefined,
): Statement {
  const { spec } = route
  const entry = entryOf(context, route, id)
  const values = [...entry.values]
  const shape: string[] = []
  const assignments: string[] = []
  const merge = `${context.names.table('merge_patch')}`
  fieldsOf(spec).forEach((field, at) => {
    const change = patch.changes[at]!
    if (change.action === 'keep') return
    values.push(change.value)
    shape.push(`${at}${change.action}`)
    const parameter = `$${values.length}::${castOf(field.type)}`
    assignments.push(change.action === 'merge'
      ? `${field.sql} = ${merge}(coalesce(${field.sql}, '{}'), ${parameter})`
      : `${field.sql} = ${parameter}`)
  })
  const rest = restPatch(spec.rest, patch.rest, merge, values.length + 1)
  values.push(...rest.values)
  assignments.push(rest.sql)
  if (expectedVersion !== undefined) values.push(expectedVersion)
  return {
    ...context.cache.compile(`update ${entry.table} ${shape.join(',')} ${rest.shape} ${expectedVersion !== undefined}`, () => `
update ${entry.table} set
  ${assignments.join(',\n  ')},
  version = version + 1, updated_at = statement_timestamp()
where ${entry.where}${expectedVersion === undefined ? '' : ` and version = $${values.length}::bigint`}`),
    values,
  }
}

/** A flat patch needs no function: names go, members come. */
function restPatch(column: string, patch: JsonObject, merge: string, first: number) {
  const current = `coalesce("${column}", '{}')`
  const members = Object.entries(patch)
  if (members.some(([, value]) => isObject(value))) {
    return { shape: 'deep', sql: `"${column}" = ${merge}(${current}, $${first}::jsonb)`, values: [JSON.stringify(patch)] }
  }
  const gone = members.filter(([, value]) => value === null).map(([name]) => name)
  const set = Object.fromEntries(members.filter(([, value]) => value !== null))
  return {
    shape: 'flat',
    sql: `"${column}" = (${current} - $${first}::text[]) || $${first + 1}::jsonb`,
    values: [gone, JSON.stringify(set)],
  }
}
