import type { NamedColumn } from '../shared/identifier'
import { columnNamed } from '../shared/identifier'
import type { Json, JsonObject } from '../shared/json'
import { put } from '../shared/json'
import { codecOf } from '../tables/columns'
import type { Field } from '../tables/fields'
import { columnsOf, fieldsOf, startsWith } from '../tables/fields'
import type { IndexSpec } from '../tables/types'
import type { Statement } from '../sql/statement'
import type { StatementContext } from '../sql/template'
import { statementFor } from '../sql/template'
import type { EntryInput } from './sql'
import { entryColumns } from './sql'
import { inputsLocked } from '../sql/locking'
import type { InputColumn, InputRows } from '../sql/rows'
import { sameAsInput } from '../sql/rows'

/** The target of a path: a number column, or a path inside a jsonb column. */
interface Target {
  number: Field | undefined
  column: NamedColumn
  path: string[]
  /** The path of the object column. A value at this path in the rest is not an object and prevents the increment. */
  container: string[] | undefined
  /** Columns at, above or below the path that would hold another kind of value: they have to be null. */
  blockers: Field[]
}

function targetOf(spec: IndexSpec, path: string[]): Target {
  const fields = fieldsOf(spec)
  const { rest } = columnsOf(spec)
  const exact = fields.find(field => field.path.length === path.length && startsWith(path, field.path))
  if (exact && codecOf(exact).counts) return { number: exact, column: rest, path, container: undefined, blockers: [] }
  const holder = fields.find(field => codecOf(field).merges && path.length > field.path.length && startsWith(path, field.path))
  if (holder) {
    return {
      number: undefined, column: { name: holder.column, sql: holder.sql }, path: path.slice(holder.path.length), container: holder.path, blockers: [],
    }
  }
  const blockers = fields.filter(field => startsWith(path, field.path) || startsWith(field.path, path))
  return { number: undefined, column: rest, path, container: undefined, blockers }
}

/** Paths of one shape have the same SQL. */
const targetShape = ({ number, column, path, blockers }: Target): string =>
  `${number?.name ?? column.name} ${path.length} ${blockers.map(field => field.column).join(',')}`

export interface IncrementInput extends EntryInput {
  /** As given by the caller. */
  field: string
  path: string[]
  by: number
  /** Number of combined calls. Each of them increments the version. */
  times: number
}

/**
 * Increments numbers in one statement, in double precision as JavaScript does. An entry whose value at the path is not a
 * number, or whose path leads through a value that is not an object, does not match and stays unchanged. Inputs that share
 * a statement have the same path.
 */
export function incrementEntries(context: StatementContext, inputs: IncrementInput[]): Statement {
  const [{ route: { spec }, path }] = inputs as [IncrementInput]
  const target = targetOf(spec, path)
  return statementFor(context, `increment ${spec.table} ${targetShape(target)}`, inputs, () => {
    const keys = entryColumns<IncrementInput>(spec)
    return {
      columns: [
        ...keys,
        { ...columnNamed('by'), cast: 'double precision', of: input => input.by },
        { ...columnNamed('times'), cast: 'bigint', of: input => input.times },
        ...pathColumns(spec, target),
        { ...columnNamed('around'), cast: 'jsonb', shared: true, of: input => JSON.stringify(objectsAround(targetOf(spec, input.path).path)) },
      ],
      sql: rows => incrementSql(context, spec, target, rows, keys),
    }
  })
}

/** Whether `incrementEntries` would match an entry; no row when there is no such entry. */
export function readCountable(context: StatementContext, input: IncrementInput): Statement {
  const { route: { spec } } = input
  const target = targetOf(spec, input.path)
  return statementFor(context, `countable ${spec.table} ${targetShape(target)}`, [input], () => {
    const keys = entryColumns<IncrementInput>(spec)
    return {
      columns: [...keys, ...pathColumns(spec, target)],
      sql: rows => `
select ${countable(spec, target, rows).join('\n  and ')} as countable
from ${context.names.table(spec.table)} t where ${sameAsInput(keys, rows, 't.')}`,
    }
  })
}

/** The path inside the column and, for an object column, the path of the column. */
function pathColumns(spec: IndexSpec, { container }: Target): InputColumn<IncrementInput>[] {
  return [
    { ...columnNamed('path'), cast: 'text[]', shared: true, of: input => targetOf(spec, input.path).path },
    ...container ? [{ ...columnNamed('container'), cast: 'text[]', shared: true, of: () => container }] : [],
  ]
}

/** The conditions an entry has to meet to be incremented. */
function countable(spec: IndexSpec, target: Target, rows: InputRows<IncrementInput>): string[] {
  const [column, path] = [`t.${target.column.sql}`, rows.ref('path')]
  return [
    `coalesce(pg_catalog.jsonb_typeof(${column} #> ${path}), 'number') = 'number'`,
    ...target.blockers.map(field => `t.${field.sql} is null`),
    ...throughObjects(column, path, target.path.length),
    // A value at this path of the rest is not an object: objects are stored in the column.
    ...target.container ? [`t.${columnsOf(spec).rest.sql} #> ${rows.ref('container')} is null`] : [],
  ]
}

function incrementSql(
  context: StatementContext, spec: IndexSpec, target: Target, rows: InputRows<IncrementInput>, keys: InputColumn<IncrementInput>[],
): string {
  const [path, around, by] = [rows.ref('path'), rows.ref('around'), rows.ref('by')]
  const { rest: { sql: rest } } = columnsOf(spec)
  const column = `t.${target.column.sql}`
  const stored = `(${column} #>> ${path})::double precision`
  const next = target.number
    ? `(coalesce(${stored}, t.${target.number.sql}::double precision, 0) + ${by})`
    : `(coalesce(${stored}, 0) + ${by})`
  // Missing objects on the path are created.
  const holder = target.path.length > 1
    ? `case when ${column} @> ${around} then ${column} else ${context.names.table('merge_patch')}(coalesce(${column}, '{}'), ${around}) end`
    : `coalesce(${column}, ${around})`
  const written = `pg_catalog.jsonb_set(${holder}, ${path}, pg_catalog.to_jsonb(${next}))`
  const fits = `(${next} = pg_catalog.trunc(${next}) and pg_catalog.abs(${next}) <= 9007199254740991::double precision)`
  const assignments = target.number
    ? [
        `${target.number.sql} = case when ${fits} then (${next})::bigint end`,
        // An unchanged expression, so that PostgreSQL does not rewrite a large rest.
        `${target.column.sql} = case when not ${fits} then ${written}
    when ${column} #> ${path} is null then ${holder} else (${holder}) #- ${path} end`,
      ]
    : [`${target.column.sql} = ${written}`]
  if (target.container) assignments.push(`${rest} = coalesce(t.${rest}, '{}')`)
  const conditions = [sameAsInput(keys, rows, 't.'), ...countable(spec, target, rows)]
  const result = target.number ? `coalesce(${stored}, t.${target.number.sql}::double precision)` : stored
  const table = context.names.table(spec.table)
  return `
update ${table} t set
  ${assignments.join(',\n  ')},
  version = t.version + ${rows.ref('times')}, updated_at = pg_catalog.statement_timestamp()${inputsLocked('from', table, keys, rows)}
where ${conditions.join('\n  and ')}
returning ${rows.ord} as ord, ${result} as value`
}

/**
 * One condition for each object on the path. For a subquery over them the planner has no estimate, so the server would
 * plan the statement again in every call.
 */
function throughObjects(column: string, path: string, length: number): string[] {
  return Array.from({ length: length - 1 }, (_, at) =>
    `coalesce(pg_catalog.jsonb_typeof(${column} #> (${path})[1:${at + 1}]), 'object') = 'object'`)
}

/** `a.b.c` → `{"a":{"b":{}}}` */
function objectsAround(path: string[]): JsonObject {
  return path.slice(0, -1).reduceRight<Json>((inner, segment) => {
    const outer: JsonObject = {}
    put(outer, segment, inner)
    return outer
  }, {}) as JsonObject
}
