import { checkArray } from './checks'
import { invalidValue } from './errors'
import { tagOf } from './given'
import type { Json } from './json'
import { textProblem } from './json'

/** What a filter can compare for equality. */
export const isScalar = (value: unknown): value is string | number | boolean | null =>
  value === null || typeof value === 'string' || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))

/**
 * The values of one field of a filter: an array means "one of".
 * @throws {StoreError} INVALID_VALUE that names the field by its path
 */
export function checkFilterValues(path: string, given: unknown): Json[] {
  return (tagOf(given) === 'Array' ? checkArray(path, given) : [given]).map((value: unknown) => {
    if (!isScalar(value)) throw invalidValue(path, 'must be a string, a finite number, a boolean, null, or an array of them')
    const problem = typeof value === 'string' ? textProblem(value) : undefined
    if (problem) throw invalidValue(path, problem)
    return value
  })
}
