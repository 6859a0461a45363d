import type { EventRecord } from '../shared/event'
import type { Members } from '../shared/types'

/**
 * Groups events: those for which it returns the same string or number belong together. Without a result the event is left
 * alone. It is called with the event as it is in the log, and more than once: it should only read.
 */
export type FlowKey = (event: EventRecord & { subject: string }) => string | number | null | undefined

/** At most `limit` events are handed to handlers within any `perMs` milliseconds, in all processes together. */
export interface RateLimit {
  /** At most 10,000. */
  limit: number
  perMs: number
  /** Each key has the limit for itself. Default: one limit for all events. */
  key?: FlowKey
}

export const RATE_LIMIT: Members<RateLimit> = { limit: true, perMs: true, key: true }

/** At most `limit` events with the same key are handled at the same time, in all processes together. */
export interface ConcurrencyKey {
  /** At most 10,000. */
  limit: number
  key: FlowKey
}

export const CONCURRENCY_KEY: Members<ConcurrencyKey> = { limit: true, key: true }

/** Of several events of one subject, or of one key, only the last is handed to the handler, once no other has come for a while. */
export interface Debounce {
  /** For how many milliseconds no other one must have come. */
  ms: number
  /** Default: the subject. */
  key?: FlowKey
  /** After how many milliseconds from the first one on the last so far is handled in any case. Default: without limit. */
  maxMs?: number
}

export const DEBOUNCE: Members<Debounce> = { ms: true, key: true, maxMs: true }
