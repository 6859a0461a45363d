import { checkCount } from '../../shared/checks'
import { StoreError, invalidValue } from '../../shared/errors'
import { describe } from '../../shared/given'
import type { ExpectedVersion } from './types'

/** What an append expects of its stream: nothing, that it has no events, or that it has some (and possibly a version). */
export type HeadMode = 'any' | 'absent' | 'present'

export interface Expectation {
  mode: HeadMode
  /** The required version of a stream that is present; undefined for any version. */
  version?: number
  /** The value given by the caller. */
  given: ExpectedVersion
}

export const ANY: Expectation = { mode: 'any', given: 'any' }

export function checkExpectation(argument: string, value: unknown): Expectation {
  if (value === undefined || value === 'any') return ANY
  if (value === 'no-stream' || value === 0) return { mode: 'absent', given: value }
  if (value === 'exists') return { mode: 'present', given: value }
  if (typeof value !== 'number') throw invalidValue(argument, `must be 'any', 'no-stream', 'exists' or a version, not ${describe(value)}`)
  return { mode: 'present', version: checkCount(argument, value), given: value }
}

/** Whether a stream at version `actual` (0: no events) meets the expectation. */
export function meets({ mode, version }: Expectation, actual: number): boolean {
  if (mode === 'absent') return actual === 0
  return mode === 'any' || (actual > 0 && (version === undefined || version === actual))
}

export function versionConflict(subject: string, { given }: Expectation, actual: number): StoreError {
  const found = actual === 0 ? 'has no events' : `is at version ${actual}`
  return new StoreError(
    'VERSION_CONFLICT',
    `stream ${JSON.stringify(subject)} was expected ${inWords(given)}, and ${found}: nothing was appended; read it again and retry`,
    { details: { subject, expected: given, actual } },
  )
}

function inWords(given: Expectation['given']): string {
  if (given === 'exists') return 'to have events'
  return given === 'no-stream' || given === 0 ? 'to have no events' : `at version ${given}`
}
