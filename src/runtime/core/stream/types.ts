import type { EventInput, EventRecord } from '../shared/event'
import type { Members } from '../shared/types'
import type { AppendOptions, AppendManyOptions, AppendEntry } from './append/types'

export interface StreamReadOptions {
  /** Only events of these types; an empty array is no filter. `limit` counts after it. */
  types?: string[]
  /** Exclusive event id: only events after this position. */
  after?: string
  /** Exclusive event id: only events before this position. */
  before?: string
  /** Inclusive version: 1 is the first event of the subject. */
  fromVersion?: number
  /** Inclusive version. */
  toVersion?: number
  /** Inclusive time in milliseconds. */
  from?: number
  /** Inclusive time in milliseconds. */
  to?: number
  /** At most this many events. Default: all. */
  limit?: number
  /** Default: `asc`, oldest first. */
  order?: 'asc' | 'desc'
  /** Reads events that were archived as well. Default: false. */
  archived?: boolean
}

export const STREAM_READ_OPTIONS: Members<StreamReadOptions> = {
  types: true, after: true, before: true, fromVersion: true, toVersion: true, from: true, to: true, limit: true,
  order: true, archived: true,
}

export interface IterateOptions extends StreamReadOptions {
  /** Events in one statement, and at most in memory. Default: 1,000. */
  pageSize?: number
}

export const ITERATE_OPTIONS: Members<IterateOptions> = { ...STREAM_READ_OPTIONS, pageSize: true }

/** Where a stream ends. */
export interface StreamHead {
  /** Of the last event that was appended: what `expectedVersion` takes. */
  version: number
  /** Id of the last event in the log; null when none is there any more (archived, truncated, removed by retention). */
  position: string | null
  /** Milliseconds since 1970. */
  lastTs: number
  /** Milliseconds since 1970; only there when the stream is archived. */
  archivedAt?: number
}

export interface StreamListOptions {
  /** `*` any run of characters, `?` exactly one, everything else literal. Default: all. */
  glob?: string
  /** Where the page before ended. */
  cursor?: string | null
  /** Default: 50. */
  limit?: number
}

export const STREAM_LIST_OPTIONS: Members<StreamListOptions> = { glob: true, cursor: true, limit: true }

export interface StreamList {
  streams: (Omit<StreamHead, 'position'> & { subject: string })[]
  /** Gives the next page; null after the last one. */
  cursor: string | null
}

export interface Reason {
  reason: string
  /** Who. */
  by: string
}

export const REASON: Members<Reason> = { reason: true, by: true }

export interface DismissedEvent extends Reason {
  event: EventRecord
  /** Milliseconds since 1970. */
  at: number
}

/** What can be done with single streams. */
export interface StreamOperations {
  /**
   * Appends one event and resolves with the complete record once it is durable.
   * @throws {StoreError} INVALID_VALUE when the event holds what PostgreSQL or JSON can't keep, VERSION_CONFLICT with
   * `details: { subject, expected, actual }` when the stream is not as expected, ARCHIVED
   * @example await store.stream.append('orders:42', { type: 'order.paid' }, { expectedVersion: 1, eventId: 'payment-7' })
   */
  append(subject: string, event: EventInput, options?: AppendOptions): Promise<EventRecord>
  /**
   * Appends several events to one subject, all or none, in one statement. An import of any size goes in steps inside
   * one transaction; `onProgress` hears how many events are in after each of them.
   * @throws {StoreError} as `append` does
   * @example await store.stream.appendMany('orders:42', [{ type: 'order.placed' }, { type: 'order.paid' }])
   */
  appendMany(subject: string, events: EventInput[], options?: AppendManyOptions): Promise<EventRecord[]>
  /**
   * Appends to several subjects, all or none; the records come in the order of the entries. An entry without events
   * only checks its expectation. Calls that name the same subjects in other orders never block one another for good.
   * @throws {StoreError} as `append` does; the details name the subject
   * @example
   * await store.stream.appendAll([
   *   { subject: 'stock:7', events: [{ type: 'reserved' }], expectedVersion: 3 },
   *   { subject: 'orders:42', events: [{ type: 'order.placed' }], expectedVersion: 'no-stream' },
   * ])
   */
  appendAll(entries: AppendEntry[]): Promise<EventRecord[][]>
  /** Reads the events of a subject, all of them unless `limit` is given, oldest first unless `order` says otherwise. */
  read(subject: string, options?: StreamReadOptions): Promise<EventRecord[]>
  /**
   * Reads a stream of any length page by page, in constant memory. Takes the options of `read`; events that are
   * appended meanwhile are part of it.
   * @example for await (const event of store.stream.iterate('orders:42', { pageSize: 1000 })) total += event.data.total
   */
  iterate(subject: string, options?: IterateOptions): AsyncIterable<EventRecord>
  /** Where a stream ends; null when nothing was ever appended to it (or it was deleted). */
  current(subject: string): Promise<StreamHead | null>
  /**
   * The streams in order of their subject, page by page.
   * @example const { streams, cursor } = await store.stream.list({ glob: 'orders:*', limit: 20 })
   */
  list(options?: StreamListOptions): Promise<StreamList>
  /** Removes a subject with all its events; true when there were any. Ids of other events stay as they are. */
  delete(subject: string): Promise<boolean>
  /**
   * Puts a finished stream away: its events leave the log and are read with `{ archived: true }` only; appends are
   * refused with ARCHIVED. False when there is no such stream, or it is archived already.
   */
  archive(subject: string): Promise<boolean>
  /** Takes an archived stream back into the log as it was; false when it is not archived. */
  unarchive(subject: string): Promise<boolean>
  /** Deletes the events before a version for good and returns how many there were; the others keep id and version. */
  truncateBefore(subject: string, version: number): Promise<number>
  /** Hides an event from all reads and keeps it; false when there is no such event, or it is hidden already. */
  dismiss(id: string, reason: Reason): Promise<boolean>
  /** Shows a dismissed event again, in its old place; false when there is no such event, or it is not hidden. */
  restore(id: string): Promise<boolean>
  /** The events of a subject that are hidden, with who hid them, why and when. */
  dismissed(subject: string): Promise<DismissedEvent[]>
}
