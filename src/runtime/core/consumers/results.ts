import { StoreError } from '../shared/errors'
import { HandlerFailure } from './attempt'
import type { ConsumeResult } from './types'

export type { ConsumeResult } from './types'

/** Why an event is not done. */
export interface Failed {
  error: unknown
  /** Milliseconds until the next attempt, where the handler says so. */
  after?: number | undefined
  /** No further attempt is wanted. */
  isDead?: boolean
}

export function toFailed(result: ConsumeResult): Failed | undefined {
  if (result === undefined || result === 'done') return undefined
  if ('dead' in result) return { error: new HandlerFailure(new Error(result.dead)), isDead: true }
  return { error: new HandlerFailure(new Error('the handler wants to try again')), after: result.retry.after }
}

/** @throws {StoreError} INVALID_VALUE for anything but nothing, or a result for each event */
export function readResults(results: unknown, events: number): ConsumeResult[] {
  if (results === undefined) return []
  if (!Array.isArray(results) || results.length !== events || !results.every(isResult)) {
    throw new StoreError('INVALID_VALUE', `batchHandler must return nothing, or for each of its ${events} events 'done', { retry: { after } } or { dead: reason }`)
  }
  return results as ConsumeResult[]
}

function isResult(result: unknown): boolean {
  if (result === undefined || result === 'done') return true
  if (typeof result !== 'object' || result === null) return false
  const { dead, retry } = result as { dead?: unknown, retry?: { after?: unknown } }
  if (typeof dead === 'string') return true
  const after = retry?.after
  return typeof retry === 'object' && (after === undefined || (typeof after === 'number' && after >= 0 && Number.isFinite(after)))
}
