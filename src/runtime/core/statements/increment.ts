import type { Json, JsonObject } from '../json'
import { put } from '../json'
import { codecOf } from '../spec/columns'
import type { Field } from '../spec/fields'
import { fieldsOf, startsWith } from '../spec/fields'
import type { Route } from '../spec/route'
import { keyColumns } from '../spec/route'
import type { IndexSpec } from '../spec/types'
import type { Statement } from '../sql/statement'
import type { StatementContext } from './context'
import { keyCondition } from './context'

/** Where a path leads: a number column, or a path inside a jsonb column. */
interface Target {
  number: Field | undefined
  column: string
  path: string[]
  /** Columns that hold something else at the path, above or below it: they have to be null. */
  blockers: Field[]
}

function targetOf(spec: IndexSpec, path: string[]): Target {
  const fields = fieldsOf(spec)
  const exact = fields.find(field => field.path.length === path.length && startsWith(path, field.path))
  if (exact && codecOf(exact).counts) return { number: exact, column: spec.rest, path, blockers: [] }
  const container = fields.find(field => codecOf(field).merges && path.length > field.path.length && startsWith(path, field.path))
  if (container) return { number: undefined, column: container.column, path: path.slice(container.path.length), blockers: [] }
  const blockers = fields.filter(field => startsWith(path, field.path) || startsWith(field.path, path))
  return { number: undefined, column: spec.rest, path, blockers }
}

/**
 * Adds to a number in one statement, in double precision as JavaScript does. A row where the path holds
 * something else, or leads through something that is no object, matches nothing and stays as it is.
 */
export function incrementEntry(context: StatementContext, route: Route<IndexSpec>, id: string, path: string[], by: number): Statement {
  const { spec } = route
  const columns = ['tenant_id', ...keyColumns(spec), spec.id]
  const target = targetOf(spec, path)
  const n = columns.length
  const parameter = { by: `$${n + 1}::double precision`, path: `$${n + 2}::text[]`, around: `$${n + 3}::jsonb` }
  const table = context.names.table(spec.table)
  const shape = `${target.number?.name ?? target.column} ${target.path.length > 1} ${target.blockers.map(field => field.column).join(',')}`
  return {
    ...context.cache.compile(`increment ${table} ${shape}`, () => incrementSql(context, spec, table, keyCondition(columns), target, parameter)),
    values: [context.tenant, ...route.keys, id, by, target.path, JSON.stringify(objectsAround(target.path))],
  }
}

function incrementSql(
  context: StatementContext, spec: IndexSpec, table: string, where: string, target: Target,
  parameter: { by: string, path: string, around: string },
): string {
  const { path, around } = parameter
  const column = `"${target.column}"`
  const stored = `(${column} #>> ${path})::double precision`
  const next = target.number
    ? `(coalesce(${stored}, ${target.number.sql}::double precision, 0) + ${parameter.by})`
    : `(coalesce(${stored}, 0) + ${parameter.by})`
  // The objects the path leads through are made where they are missing.
  const holder = target.path.length > 1
    ? `case when ${column} @> ${around} then ${column} else ${context.names.table('merge_patch')}(coalesce(${column}, '{}'), ${around}) end`
    : `coalesce(${column}, ${around})`
  const written = `jsonb_set(${holder}, ${path}, to_jsonb(${next}))`
  const fits = `${next} = trunc(${next}) and abs(${next}) <= 9007199254740991`
  const assignments = target.number
    ? [
        `${target.number.sql} = case when ${fits} then (${next})::bigint end`,
        `${column} = case when ${fits} then (${holder}) #- ${path} else ${written} end`,
      ]
    : [`${column} = ${written}`]
  if (target.column !== spec.rest) assignments.push(`"${spec.rest}" = coalesce("${spec.rest}", '{}')`)
  const conditions = [
    where,
    `coalesce(jsonb_typeof(${column} #> ${path}), 'number') = 'number'`,
    ...target.blockers.map(field => `${field.sql} is null`),
    ...(target.path.length > 1 ? [throughObjects(column, path)] : []),
    ...(target.column === spec.rest ? [] : [noneInRest(spec, target)]),
  ]
  const result = target.number ? `coalesce(${stored}, ${target.number.sql}::double precision)` : stored
  return `
update ${table} set
  ${assignments.join(',\n  ')},
  version = version + 1, updated_at = statement_timestamp()
where ${conditions.join('\n  and ')}
returning ${result} as value`
}

function throughObjects(column: string, path: string): string {
  return `not exists (
    select from generate_series(1, cardinality(${path}) - 1) as depth
    where coalesce(jsonb_typeof(${column} #> (${path})[1:depth]), 'object') <> 'object')`
}

/** The rest has a value at the path of a column of objects only when it is no object: it is in the way. */
function noneInRest(spec: IndexSpec, target: Target): string {
  const field = fieldsOf(spec).find(each => each.column === target.column)!
  return `"${spec.rest}" #> '{${field.path.join(',')}}' is null`
}

/** `a.b.c` → `{"a":{"b":{}}}` */
function objectsAround(path: string[]): JsonObject {
  return path.slice(0, -1).reduceRight<Json>((inner, segment) => {
    const outer: JsonObject = {}
    put(outer, segment, inner)
    return outer
  }, {}) as JsonObject
}
