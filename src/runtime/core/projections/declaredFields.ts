import { checkArray, checkName } from '../shared/checks'
import { StoreError, invalidValue } from '../shared/errors'
import { tagOf } from '../shared/given'
import type { BuildKey, FoundBy } from './statesSql'

/** By which members of their states the states of a projection are found. */
export interface DeclaredFields {
  fields: string[]
  /** The number that sorts them. */
  sortBy: string | null
}

// The builds of all projections share an index: each has a member under this name, which no field may have.
const BUILD = ''

export const buildTag = ({ name, build }: BuildKey): string => JSON.stringify([name, Number(build)])

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
 * @throws {StoreError} INVALID_VALUE that names the field
 */
export function conditionsOf({ fields }: DeclaredFields, build: BuildKey, filter: unknown): string[][] {
  const conditions = filter === undefined
    ? []
    : Object.entries(filter as object).filter(([, value]) => value !== undefined).map(([field, value]) => {
        if (!fields.includes(field)) throw invalidValue(`options.filter.${field}`, `is none of the fields of the projection (${fields.join(', ') || 'it has none'}): declare it in \`fields\``)
        const wanted: unknown[] = tagOf(value) === 'Array' ? checkArray(`options.filter.${field}`, value) : [value]
        return wanted.map((each) => {
          if (!isScalar(each)) throw invalidValue(`options.filter.${field}`, 'must be a string, a finite number, a boolean, null, or an array of them')
          return JSON.stringify({ [BUILD]: buildTag(build), [field]: each })
        })
      })
  return conditions.length > 0 ? conditions : [[JSON.stringify({ [BUILD]: buildTag(build) })]]
}

/** @throws {StoreError} INVALID_CALL for a projection that declares none */
export function declaredOf(name: string, declared: string | null): DeclaredFields {
  if (declared !== null) return JSON.parse(declared) as DeclaredFields
  throw new StoreError('INVALID_CALL', `projection ${JSON.stringify(name)} has no fields to be found by: declare them with \`fields\` or \`sortBy\`, in a higher version`, { details: { projection: name } })
}

const isScalar = (value: unknown): boolean =>
  value === null || typeof value === 'string' || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))
