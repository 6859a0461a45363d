import type { EventRecord } from '../shared/event'
import type { Members } from '../shared/types'

/** An event among those of other subjects. */
export interface GlobalEvent {
  subject: string
  /** As `read` gives it; `event.id` is the position to go on from. */
  event: EventRecord
}

export interface ReadAllOptions {
  /** Exclusive event id: only events after this position. Default: from the first event on. */
  after?: string
  /** Subjects, or globs of them (`*` any run, `?` one character). Default: all. */
  subjects?: string[]
  types?: string[]
  /** Only events whose `meta.correlationId` is this one. */
  correlationId?: string
  /** Inclusive time in milliseconds. */
  since?: number
  /** At most this many events. Default: all. */
  limit?: number
  /**
   * How long to wait for transactions that append while this runs, in milliseconds.
   * @default 30000
   */
  settleTimeout?: number
}

export const READ_ALL_OPTIONS: Members<ReadAllOptions> = {
  after: true, subjects: true, types: true, correlationId: true, since: true, limit: true, settleTimeout: true,
}

/** How far the global order is settled, as ids. */
export interface HighWaterMark {
  /** The newest id given out. */
  head: bigint
  /** No event up to this id can come any more. */
  safePosition: bigint
  /** Changes whenever the server may be another one, or have been set back. */
  history: string
}

export interface SubscribeOptions {
  /**
   * Where to begin: with what is appended from now on, with the first event, or after a position (an event id).
   * @default 'now'
   */
  from?: 'now' | 'start' | (string & {})
  /** Ends the subscription when it aborts. */
  signal?: AbortSignal
  /** Told when the callback threw or the subject was refused; the subscription has ended by then. */
  onError?: (error: unknown) => void
}

export const SUBSCRIBE_OPTIONS: Members<SubscribeOptions> = { from: true, signal: true, onError: true }

export interface StreamSubscription {
  id: string
  subject: string
  /** Ends the subscription at once; resolves when a callback that is running has returned, after 5 s at the latest. */
  unsubscribe(): Promise<void>
}

/** What can be done with the log as a whole: events of all subjects in their global order. */
export interface LogOperations {
  /**
   * Calls back for the events of a subject, or of all subjects a glob matches (`*` any run, `?` one character), in
   * order, one at a time: those before `from` never, all later ones once. A slow callback is waited for.
   */
  subscribe(
    subject: string,
    onEvent: (event: EventRecord, subject: string) => unknown,
    options?: SubscribeOptions,
  ): Promise<StreamSubscription>
  /**
   * The same as an iterable. It begins with its first `next()`, and ends with the loop, `signal` or the store.
   * @example
   * for await (const { subject, event } of store.stream.subscribe('orders:*', { from: 'start', signal })) show(event)
   */
  subscribe(subject: string, options?: Omit<SubscribeOptions, 'onError'>): AsyncIterable<GlobalEvent>
  /**
   * Reads the events of all subjects in the order of their ids. It ends with what was committed when it started;
   * no event is skipped, also those of transactions that were under way. Memory stays the same, however many come.
   * @throws {StoreError} TIMEOUT when a transaction that appends stays open for longer than `settleTimeout`.
   * @example
   * for await (const { subject, event } of store.stream.readAll({ after, subjects: ['orders:*'] })) after = event.id
   */
  readAll(options?: ReadAllOptions): AsyncIterable<GlobalEvent>
}
