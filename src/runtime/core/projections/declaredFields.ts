import { checkArray, checkName, checkObject } from '../shared/checks'
import { StoreError, invalidValue } from '../shared/errors'
import { checkFilterValues, isScalar } from '../shared/filterValues'
import { describe, isPlainObject, tagOf } from '../shared/given'
import type { BuildKey, FoundBy } from './statesSql'

/** By which members of their states the states of a projection are found. */
export interface DeclaredFields {
  fields: string[]
  /** The number that sorts them. */
  sortBy: string | null
}

// The builds of all projections share an index: each has a member under this name, which no field may have.
const BUILD = ''

const buildTag = ({ name, build }: BuildKey): string => JSON.stringify([name, Number(build)])

/** @throws {StoreError} INVALID_VALUE that names the option */
export function checkFields(fields: unknown, sortBy: unknown): DeclaredFields | null {
  if (fields === undefined && sortBy === undefined) return null
  const names = checkArray('options.fields', fields ?? []).map((field, at) => checkName(`options.fields.${at}`, field))
  return { fields: [...new Set(names)].sort(), sortBy: sortBy === undefined ? null : checkName('options.sortBy', sortBy) }
}

/**
 * What a state is found by.
 * @throws {StoreError} INVALID_VALUE for a member that can't be compared
 */
export function foundBy({ fields, sortBy }: DeclaredFields, build: BuildKey, key: string, state: unknown): FoundBy {
  const members = tagOf(state) === 'Object' ? state as Record<string, unknown> : {}
  const refuse = (field: string, what: string) => invalidValue(`${field} of the state of ${JSON.stringify(key)}`, what)
  const values: Record<string, unknown> = { [BUILD]: buildTag(build) }
  for (const field of fields) {
    const value = Object.hasOwn(members, field) ? members[field] : undefined
    if (value === undefined) continue
    if (!isScalar(value)) throw refuse(field, `is one of the projection's fields, and must be a string, a finite number, a boolean or null`)
    values[field] = value
  }
  const rank = sortBy !== null && Object.hasOwn(members, sortBy) ? members[sortBy] ?? null : null
  if (rank !== null && (typeof rank !== 'number' || !Number.isFinite(rank))) throw refuse(sortBy!, 'sorts the states, and must be a finite number')
  return { fields: JSON.stringify(values), rank }
}

/**
 * JSON that the fields of a state have to contain: for each field of a filter a list, of which one is enough.
 * @throws {StoreError} INVALID_VALUE that names the field below `argument`
 */
export function conditionsOf({ fields }: DeclaredFields, build: BuildKey, argument: string, filter: unknown): string[][] {
  const tag = { [BUILD]: buildTag(build) }
  const wanted = Object.entries(plainFilter(argument, filter)).filter(([, value]) => value !== undefined)
  if (wanted.length === 0) return [[JSON.stringify(tag)]]
  return wanted.map(([field, value]) => {
    const path = `${argument}.${field}`
    if (!fields.includes(field)) throw invalidValue(path, `is none of the fields of the projection (${fields.join(', ') || 'it has none'}): declare it in \`fields\``)
    return checkFilterValues(path, value).map(each => JSON.stringify({ ...tag, [field]: each }))
  })
}

function plainFilter(argument: string, filter: unknown): Record<string, unknown> {
  const given = filter === undefined ? {} : checkObject(argument, filter)
  if (!isPlainObject(given)) throw invalidValue(argument, `must be a plain object, not ${describe(given)}`)
  return given
}

/** @throws {StoreError} INVALID_CALL for a projection that declares none */
export function declaredOf(name: string, declared: string | null): DeclaredFields {
  if (declared !== null) return JSON.parse(declared) as DeclaredFields
  throw new StoreError('INVALID_CALL', `projection ${JSON.stringify(name)} has no fields to be found by: declare them with \`fields\` or \`sortBy\`, in a higher version`, { details: { projection: name } })
}
