import { invalidValue } from '../errors'
import type { Json, JsonObject } from '../json'
import { put, textProblem } from '../json'
import { codecOf } from '../spec/columns'
import type { Field } from '../spec/fields'
import { castOf, fieldsOf, pathOf, startsWith } from '../spec/fields'
import type { IndexSpec } from '../spec/types'

/** One field of a filter, taken apart: a column that is compared, and a jsonb column that contains. */
export interface Condition {
  /** Conditions of one shape have the same SQL; names of fields are values, never text. */
  shape: string
  column: Field | 'version' | undefined
  container: string | undefined
  values: unknown[]
}

/**
 * Reads a filter: equality by dotted path, arrays are "one of".
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
  if (condition.column === 'version') parts.push(`version = any($${parameter++}::double precision[])`)
  else if (condition.column) parts.push(`${condition.column.sql} = any($${parameter++}::${castOf(condition.column.type)}[])`)
  if (condition.container) parts.push(`"${condition.container}" @> any($${parameter++}::jsonb[])`)
  return `(${parts.join(' or ')})`
}

function valuesOf(name: string, given: unknown): Json[] {
  const problem = textProblem(name)
  if (problem) throw invalidValue('the name of filter.*', problem)
  return (Array.isArray(given) ? given : [given]).map((value: unknown) => {
    const isScalar = value === null || typeof value === 'string' || typeof value === 'boolean'
      || (typeof value === 'number' && Number.isFinite(value))
    if (!isScalar) throw invalidValue(`filter.${name}`, 'must be a text, a finite number, a boolean, null, or an array of them')
    const textual = typeof value === 'string' ? textProblem(value) : undefined
    if (textual) throw invalidValue(`filter.${name}`, textual)
    return value as Json
  })
}

function conditionOf(spec: IndexSpec, name: string, values: Json[]): Condition {
  if (name === 'version') {
    const numbers = values.filter(value => typeof value === 'number')
    return { shape: 'version', column: 'version', container: undefined, values: [numbers] }
  }
  const path = pathOf(name)
  const field = fieldsOf(spec).find(each => startsWith(path, each.path) && (codecOf(each).merges || each.path.length === path.length))
  if (!field) return contained(spec.rest, path, values)
  // Below a column of objects, values live in that column; a scalar at its own path lives in the rest.
  if (codecOf(field).merges) {
    return path.length > field.path.length
      ? contained(field.column, path.slice(field.path.length), values)
      : contained(spec.rest, path, values)
  }
  const [inColumn, inRest] = partition(values, value => codecOf(field).accepts(value, field))
  const container = inRest.length > 0 ? spec.rest : undefined
  return {
    shape: `${field.name}${container ? '+' : ''}`,
    column: field,
    container,
    values: [inColumn.map(value => codecOf(field).encode(value)), ...(container ? [inRest.map(value => nest(path, value))] : [])],
  }
}

function contained(container: string, path: string[], values: Json[]): Condition {
  return { shape: `@${container}`, column: undefined, container, values: [values.map(value => nest(path, value))] }
}

/** `a.b`, 1 → `{"a":{"b":1}}`: containment walks objects only, and compares scalars by value. */
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
