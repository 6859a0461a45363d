import type { EventRecord } from '../shared/event'
import type { Members } from '../shared/types'

/** An event that a consumer has given up. */
export interface DeadLetter {
  id: string
  consumer: string
  subject: string
  /** As it is in the log. */
  event: EventRecord
  /** What was requeued in its place. */
  replacement?: EventRecord
  attempts: number
  /** Passwords, keys and tokens are left out. */
  error: { name: string, message: string, code?: string, stack?: string }
  /**
   * `parked`: the later events of its subject wait behind it. `skipped`: they were handled without it. `edited`: it was
   * requeued with other data, and is kept to show what was replaced.
   */
  state: 'parked' | 'skipped' | 'edited'
  /** Milliseconds since 1970. */
  deadAt: number
}

/** Which letters are meant: those that every member given here applies to. */
export interface DeadLetterFilter {
  consumer?: string
  /** A subject, or a glob (`*` any run, `?` one character). */
  subject?: string
  /** Types of events. */
  types?: string[]
  /** Given up at this time or later, in milliseconds since 1970. */
  since?: number
  /** Given up before this time. */
  until?: number
  /** A part of the error's name, code or message; upper and lower case are the same. */
  error?: string
}

const DEAD_LETTER_FILTER: Members<DeadLetterFilter> = { consumer: true, subject: true, types: true, since: true, until: true, error: true }

export interface DeadLetterListOptions extends DeadLetterFilter {
  state?: DeadLetter['state']
  /** Where the page before ended. */
  cursor?: string | null
  /** Default: 50. */
  limit?: number
}

export const DEAD_LETTER_LIST_OPTIONS: Members<DeadLetterListOptions> = { ...DEAD_LETTER_FILTER, state: true, cursor: true, limit: true }

export interface DeadLetterList {
  letters: DeadLetter[]
  /** Gives the next page; null after the last one. */
  cursor: string | null
}

export interface RequeueOptions {
  /** Members that replace those of the event: `{ data: { total: 99 } }`. The log keeps the event as it was. */
  event?: Record<string, unknown>
  /**
   * Handles an event that was skipped, behind later ones of its subject: at once, and in this process, which must have
   * the consumer.
   * @default false
   */
  outOfOrder?: boolean
}

export const REQUEUE_OPTIONS: Members<RequeueOptions> = { event: true, outOfOrder: true }

export interface RequeueRangeOptions extends DeadLetterFilter {
  /** Letters at most. Default: all. */
  limit?: number
}

export const REQUEUE_RANGE_OPTIONS: Members<RequeueRangeOptions> = { ...DEAD_LETTER_FILTER, limit: true }

export interface PurgeOptions extends DeadLetterFilter {
  id?: string
  /** Default: both. */
  state?: 'skipped' | 'edited'
  /** Only letters that were given up at least so many milliseconds ago. */
  olderThanMs?: number
}

export const PURGE_OPTIONS: Members<PurgeOptions> = { ...DEAD_LETTER_FILTER, id: true, state: true, olderThanMs: true }

export interface PreviewOptions {
  /** As for `requeue`. */
  event?: Record<string, unknown>
  /**
   * Events at most, with those that wait behind the letter.
   * @default 100
   */
  limit?: number
}

export const PREVIEW_OPTIONS: Members<PreviewOptions> = { event: true, limit: true }

/** Rows of a table that a transaction has written. */
export interface TableChanges {
  schema: string
  table: string
  inserted: number
  updated: number
  deleted: number
}

export interface DeadLetterPreview {
  /** Events that went well. */
  handled: number
  /** What those would change; null when the server doesn't count (`track_counts` is off). */
  changes: TableChanges[] | null
  /** The event at which it would fail, and with what. */
  failed: { event: EventRecord, error: DeadLetter['error'] } | null
  /** Further events wait behind these. */
  more: boolean
}

export interface DeadLettersApi {
  /** The letters in the order in which they were given up, page by page. */
  list(options?: DeadLetterListOptions): Promise<DeadLetterList>
  /** One of them; null when there is none. */
  get(id: string): Promise<DeadLetter | null>
  /**
   * Tries a parked subject again: this event, or what replaces it, and those behind it, in order. False when there is no
   * such letter. With `outOfOrder` it rejects with the error of the handler, and the letter stays. An event that was
   * dismissed or deleted since is passed over.
   * @throws {StoreError} INVALID_CALL for one that was skipped, without `outOfOrder`, and for `event` when the event was
   *   dismissed or deleted since
   * @example await store.deadLetters.requeue(letter.id, { event: { data: { ...letter.event.data, country: 'NL' } } })
   */
  requeue(id: string, options?: RequeueOptions): Promise<boolean>
  /** The same for the letter of a subject; false when it has none that is parked. */
  requeueSubject(consumer: string, subject: string): Promise<boolean>
  /** The same for all parked letters that are meant, in bounded steps; returns how many. */
  requeueRange(options?: RequeueRangeOptions): Promise<number>
  /** Drops a parked event, and lets the later ones of its subject go on in order. False when it is not parked. */
  discard(id: string): Promise<boolean>
  /**
   * Deletes letters that nothing waits behind, in bounded steps, and returns how many.
   * @throws {StoreError} INVALID_CALL for the id of one that is parked
   */
  purge(options?: PurgeOptions): Promise<number>
  /**
   * What would happen if it was requeued: runs the consumer's handler in a transaction that is rolled back. This process
   * must have the consumer. What a handler does outside of its transaction happens, unless it looks at `context.preview`.
   * @throws {StoreError} NOT_FOUND; INVALID_CALL without the consumer, when it has no transactions, or as for `requeue`
   */
  preview(id: string, options?: PreviewOptions): Promise<DeadLetterPreview>
}
