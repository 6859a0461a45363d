import { StoreError } from '../shared/errors'
import { MAX_MS } from '../shared/timer'
import { HandlerFailure } from './attempt'
import type { ConsumerSettings } from './settings'
import type { Entry, Unit } from './shard'
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

export const isUndone = (result: ConsumeResult): boolean => result !== undefined && result !== 'done'

export function toFailed(result: ConsumeResult): Failed | undefined {
  if (!isUndone(result)) return undefined
  const { dead, retry } = result as { dead?: string, retry?: { after?: number } }
  if (dead !== undefined) return { error: new HandlerFailure(new Error(dead)), isDead: true }
  return { error: new HandlerFailure(new Error('the handler wants to try again')), after: retry!.after }
}

/**
 * What a handler of one event returned. Many return something by chance, as `event => list.push(event)` does: only a plain
 * object with nothing but `dead` or `retry` tells something.
 * @throws {StoreError} INVALID_VALUE for such an object with wrong values
 */
export function readResult(result: unknown): ConsumeResult {
  if (!isTelling(result)) return undefined
  if (!isResult(result)) throw new StoreError('INVALID_VALUE', 'a handler that returns `dead` or `retry` must return { dead: reason } or { retry: { after } }')
  return result as ConsumeResult
}

const TELLING = new Set<unknown>(['dead', 'retry'])

function isTelling(result: unknown): boolean {
  if (typeof result !== 'object' || result === null) return false
  const prototype: unknown = Object.getPrototypeOf(result)
  if (prototype !== null && prototype !== Object.prototype) return false
  const members = Reflect.ownKeys(result)
  return members.length > 0 && members.every(member => TELLING.has(member))
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
  if (typeof retry !== 'object' || retry === null) return false
  return retry.after === undefined || (typeof retry.after === 'number' && retry.after >= 0 && retry.after <= MAX_MS)
}

/** The handler did not throw, but wants an event back: its transaction is rolled back. */
export class Undone extends Error {
  constructor(readonly failed: Failed) {
    super('not done')
  }
}

/** @throws what is no failure of the handler */
export function failureOf(error: unknown): Failed {
  if (error instanceof Undone) return error.failed
  if (error instanceof HandlerFailure) return { error }
  throw error
}

/** What is not done of a unit, given the results of its handler. */
export function undoneOf(unit: Unit, results: ConsumeResult[]): Map<Entry, Failed> {
  const undone = new Map<Entry, Failed>()
  results.forEach((result, at) => {
    const failed = toFailed(result)
    if (failed) undone.set(unit[at]!, failed)
  })
  return undone
}

/** Whether what was done of a unit can be kept: not when other events of it have to wait for one that was not done. */
export const canSplit = (order: ConsumerSettings['order'], unit: Unit, undone: Map<Entry, Failed>): boolean =>
  [...undone.keys()].every(entry => !isAwaited(order, unit, unit.indexOf(entry)))

/** Whether later ones of these events may not go ahead of the one at a place. */
export const isAwaited = (order: ConsumerSettings['order'], events: { subject: string }[], at: number): boolean =>
  order === 'global' ? events.length > 1 : events.some(({ subject }, other) => other > at && subject === events[at]!.subject)
