import { checkCount, checkFunction, checkMembers, checkMilliseconds, checkName } from '../shared/checks'
import { invalidValue } from '../shared/errors'
import type { EventRecord } from '../shared/event'
import { CONCURRENCY_KEY, DEBOUNCE, RATE_LIMIT } from './flowTypes'
import type { ConcurrencyKey, Debounce, FlowKey, RateLimit } from './flowTypes'

// A slot is a row, and looking for a free one reads those of its key.
const MAX_LIMIT = 10_000
const MAX_KEY_BYTES = 500
// For the way from the database to the handler: the limit is kept at the handler as well.
const MARGIN = 1.05

/**
 * What an event belongs to; undefined: to nothing.
 * @throws {StoreError} INVALID_VALUE, or what the caller's function throws
 */
export type KeyOf = (event: EventRecord & { subject: string }) => string | undefined

/** How many events may be under way, or have been begun a while ago, for each key. */
export interface Limit {
  kind: 'concurrency' | 'rate'
  limit: number
  /** How long an event takes its slot; one that is under way does so until it ends. */
  slotMs: number
  keyOf: KeyOf
  /** Other keys go on when one has to wait. */
  isKeyed: boolean
}

interface Given {
  rateLimit?: RateLimit | undefined
  concurrencyKey?: ConcurrencyKey | undefined
}

/** The limits of a consumer, in the order in which they are asked: a slot of the rate that is taken is gone. */
export function checkLimits({ rateLimit, concurrencyKey }: Given, leaseMs: number): Limit[] {
  const limits: Limit[] = []
  if (concurrencyKey !== undefined) {
    const { limit, key } = checkMembers('options.concurrencyKey', concurrencyKey, CONCURRENCY_KEY)
    limits.push({ kind: 'concurrency', limit: limitOf('options.concurrencyKey.limit', limit), slotMs: leaseMs, keyOf: keyOf('options.concurrencyKey.key', key), isKeyed: true })
  }
  if (rateLimit !== undefined) {
    const { limit, perMs, key } = checkMembers('options.rateLimit', rateLimit, RATE_LIMIT)
    limits.push({
      kind: 'rate', limit: limitOf('options.rateLimit.limit', limit), slotMs: checkMilliseconds('options.rateLimit.perMs', perMs, 1) * MARGIN,
      keyOf: key === undefined ? () => '' : keyOf('options.rateLimit.key', key), isKeyed: key !== undefined,
    })
  }
  return limits
}

export interface DebounceSettings {
  ms: number
  /** Undefined: without limit. */
  maxMs: number | undefined
  keyOf: KeyOf
}

export function checkDebounce(given: Debounce | undefined, order: 'subject' | 'global'): DebounceSettings | undefined {
  if (given === undefined) return undefined
  if (order === 'global') throw invalidValue('options.debounce', 'can\'t be given in global order, where no event may go ahead of another one')
  const { ms, key, maxMs } = checkMembers('options.debounce', given, DEBOUNCE)
  const quietMs = checkMilliseconds('options.debounce.ms', ms, 1)
  return {
    ms: quietMs, maxMs: maxMs === undefined ? undefined : checkMilliseconds('options.debounce.maxMs', maxMs, quietMs),
    keyOf: key === undefined ? ({ subject }) => subject : keyOf('options.debounce.key', key),
  }
}

function limitOf(argument: string, value: unknown): number {
  const limit = checkCount(argument, value)
  if (limit < 1 || limit > MAX_LIMIT) throw invalidValue(argument, `must lie between 1 and ${MAX_LIMIT}, not ${limit}: for a higher rate take a shorter time`)
  return limit
}

export function keyOf(argument: string, key: FlowKey | undefined): KeyOf {
  checkFunction(argument, key)
  return (event) => {
    const given: unknown = key!(event)
    if (given === undefined || given === null) return undefined
    if (given instanceof Promise) {
      // It is not awaited: a rejection would end the process.
      given.catch(() => undefined)
      throw invalidValue(`${argument}(event)`, 'must be a string or a number, not a Promise: the function can\'t be async')
    }
    return checkName(`${argument}(event)`, typeof given === 'number' ? String(given) : given, MAX_KEY_BYTES)
  }
}
