import type { EventRecord } from '../shared/event'
import type { Members } from '../shared/types'

/** An event with its subject. */
export interface GlobalEvent {
  subject: string
  /** As `read` returns it; `event.id` is the position to continue from. */
  event: EventRecord
}

export interface ReadAllOptions {
  /** Exclusive event id: only events after this position. Default: all events. */
  after?: string
  /** Subjects, or globs of them (`*` matches any characters, `?` one). Default: all. */
  subjects?: string[]
  types?: string[]
  /** Only events whose `meta.correlationId` is this one. */
  correlationId?: string
  /** Only events with this `ts` or a later one, in milliseconds since 1970. */
  since?: number
  /** Maximum number of events. Default: no limit. */
  limit?: number
  /**
   * How long to wait for an open transaction that has appended, in milliseconds.
   * @default 30000
   */
  settleTimeout?: number
}

export const READ_ALL_OPTIONS: Members<ReadAllOptions> = {
  after: true, subjects: true, types: true, correlationId: true, since: true, limit: true, settleTimeout: true,
}

/** How far the global order is settled, as event ids. */
export interface HighWaterMark {
  /** The newest id that was assigned. */
  head: bigint
  /** No further event with this id or a lower one can be committed. */
  safePosition: bigint
  /** Changes whenever the server may be another one, or may have been restored to an earlier state. */
  history: string
}

/** The same with the names it had before; nothing of the store gives or takes it. */
export interface Mark extends Omit<HighWaterMark, 'safePosition'> {
  settled: bigint
}

export interface SubscribeOptions {
  /**
   * Where to begin: with events appended from now on, with the first event, or after a position (an event id).
   * @default 'now'
   */
  from?: 'now' | 'start' | (string & {})
  /** Ends the subscription when it aborts. */
  signal?: AbortSignal
  /** Called after the subscription has ended with an error: of the callback, or of a read that can't be retried. */
  onError?: (error: unknown) => void
}

export const SUBSCRIBE_OPTIONS: Members<SubscribeOptions> = { from: true, signal: true, onError: true }

export interface StreamSubscription {
  id: string
  subject: string
  /** Ends the subscription at once; resolves when a running callback has returned, after 5 s at the latest. */
  unsubscribe(): Promise<void>
}

/** Operations on the log as a whole: the events of all subjects in their global order. */
export interface LogOperations {
  /**
   * Calls `onEvent` for each event of a subject, or of all subjects that a glob matches (`*` matches any characters,
   * `?` one): in order, one at a time, each event after `from` once. The next call waits until a returned promise
   * has resolved.
   * @throws {StoreError} INVALID_VALUE, CONNECTION, CLOSED; errors after the start go to `onError`
   */
  subscribe(
    subject: string,
    onEvent: (event: EventRecord, subject: string) => unknown,
    options?: SubscribeOptions,
  ): Promise<StreamSubscription>
  /**
   * The same as an iterable. It starts with the first `next()`, and ends with the loop, `signal` or the store.
   * Its errors are thrown by `next()`.
   * @example
   * for await (const { subject, event } of store.stream.subscribe('orders:*', { from: 'start', signal })) show(event)
   */
  subscribe(subject: string, options?: Omit<SubscribeOptions, 'onError'>): AsyncIterable<GlobalEvent>
  /**
   * Reads the events of all subjects in the order of their ids, up to the newest one when it started. Waits for
   * transactions that were in progress then, so no event is skipped. Memory use is constant.
   * @throws {StoreError} TIMEOUT when a transaction that appends stays open for longer than `settleTimeout`.
   * @example
   * for await (const { subject, event } of store.stream.readAll({ after, subjects: ['orders:*'] })) after = event.id
   */
  readAll(options?: ReadAllOptions): AsyncIterable<GlobalEvent>
}
