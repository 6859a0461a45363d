import { invalidValue } from '../shared/errors'
import { checkFilterValues } from '../shared/filterValues'
import type { NamedColumn } from '../shared/identifier'
import type { Json, JsonObject } from '../shared/json'
import { put, textProblem } from '../shared/json'
import { codecOf } from '../tables/columns'
import type { Field } from '../tables/fields'
import { castOf, columnsOf, fieldsOf, pathOf, startsWith } from '../tables/fields'
import type { IndexSpec } from '../tables/types'

/** One field of a filter: a comparison with a column, a condition on a jsonb column, or both. */
export interface Condition {
  /** Conditions of one shape have the same SQL; names of fields are parameters, never part of the statement text. */
  shape: string
  column: Field | 'version' | undefined
  /** Compares with a single value by equality, so that an index scan preserves its order. */
  single: boolean
  container: Container | undefined
  values: unknown[]
}

/**
 * How a jsonb column is compared. A single value uses containment, which a GIN index serves. Several values are compared
 * with the value at the path, which is extracted once per row. A numeric segment in such a path would also match an array
 * index, so those paths use containment as well.
 */
interface Container {
  column: NamedColumn
  compare: 'contains' | 'contains any' | 'equals any'
}

/**
 * Parses a filter: equality by dotted path; an array means "one of".
 * @throws {StoreError} INVALID_VALUE that names the field
 */
export function readFilter(spec: IndexSpec, filter: Record<string, unknown>): Condition[] {
  return Object.keys(filter)
    .filter(name => filter[name] !== undefined)
    .map(name => conditionOf(spec, name, valuesOf(name, filter[name])))
    .sort((a, b) => a.shape < b.shape ? -1 : 1)
}

export function conditionSql(spec: IndexSpec, condition: Condition, first: number): string {
  const parts: string[] = []
  let parameter = first
  // An entry without metadata has no version.
  if (condition.column === 'version') parts.push(`version::double precision = any($${parameter++}::double precision[]) and ${columnsOf(spec).rest.sql} is not null`)
  else if (condition.column) {
    const value = `$${parameter++}::${castOf(condition.column.type)}`
    parts.push(`${condition.column.sql} = ${condition.single ? value : `any(${value}[])`}`)
  }
  if (condition.container) {
    const { column: { sql }, compare } = condition.container
    if (compare === 'contains') parts.push(`${sql} @> $${parameter}::jsonb`)
    else if (compare === 'contains any') parts.push(`${sql} @> any($${parameter}::jsonb[])`)
    else parts.push(`${sql} #> $${parameter}::text[] = any($${parameter + 1}::jsonb[])`)
  }
  return `(${parts.join(' or ')})`
}

function valuesOf(name: string, given: unknown): Json[] {
  const problem = textProblem(name)
  if (problem) throw invalidValue('the name of filter.*', problem)
  return checkFilterValues(`filter.${name}`, given)
}

function conditionOf(spec: IndexSpec, name: string, values: Json[]): Condition {
  if (name === 'version') {
    const numbers = values.filter(value => typeof value === 'number')
    return { shape: 'version', column: 'version', single: false, container: undefined, values: [numbers] }
  }
  const path = pathOf(name)
  const field = fieldsOf(spec).find(each => startsWith(path, each.path) && (codecOf(each).merges || each.path.length === path.length))
  const { rest: restColumn } = columnsOf(spec)
  if (!field) return contained(restColumn, path, values)
  // Below the path of an object column, values are in that column; a scalar at the path itself is in the rest.
  if (codecOf(field).merges) {
    return path.length > field.path.length
      ? contained({ name: field.column, sql: field.sql }, path.slice(field.path.length), values)
      : contained(restColumn, path, values)
  }
  const [inColumn, inRest] = partition(values, value => codecOf(field).accepts(value, field))
  const rest = inRest.length > 0 ? contained(restColumn, path, inRest) : undefined
  const encoded = inColumn.map(value => codecOf(field).encode(value))
  const single = encoded.length === 1
  return {
    shape: `${field.name}${single ? '=' : ''}${rest ? `+${rest.shape}` : ''}`,
    column: field,
    single,
    container: rest?.container,
    values: [single ? encoded[0] : encoded, ...rest?.values ?? []],
  }
}

function contained(column: NamedColumn, path: string[], values: Json[]): Condition {
  const condition = (compare: Container['compare'], given: unknown[]): Condition =>
    ({ shape: `@${column.name} ${compare}`, column: undefined, single: false, container: { column, compare }, values: given })
  if (values.length === 1) return condition('contains', [nest(path, values[0]!)])
  if (path.some(segment => /^-?\d+$/.test(segment))) return condition('contains any', [values.map(value => nest(path, value))])
  return condition('equals any', [path, values.map(value => JSON.stringify(value))])
}

/** `a.b`, 1 → `{"a":{"b":1}}`: containment descends into objects only, and compares scalars by value. */
function nest(path: string[], value: Json): string {
  return JSON.stringify(path.reduceRight<Json>((inner, segment) => {
    const outer: JsonObject = {}
    put(outer, segment, inner)
    return outer
  }, value))
}

function partition<T>(items: T[], test: (item: T) => boolean): [T[], T[]] {
  return [items.filter(test), items.filter(item => !test(item))]
}
