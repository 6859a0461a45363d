import type { EventInput, EventRecord } from '../shared/event'
import type { Members } from '../shared/types'
import type { AppendOptions, AppendManyOptions, AppendEntry } from './append/types'

export interface StreamReadOptions {
  /** Only events of these types; an empty array does not filter. `limit` counts the matching events. */
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
  /** Maximum number of events. Default: all. */
  limit?: number
  /** Default: `asc`, oldest first. */
  order?: 'asc' | 'desc'
  /** Also reads archived events. Default: false. */
  archived?: boolean
}

export const STREAM_READ_OPTIONS: Members<StreamReadOptions> = {
  types: true, after: true, before: true, fromVersion: true, toVersion: true, from: true, to: true, limit: true,
  order: true, archived: true,
}

export interface IterateOptions extends StreamReadOptions {
  /** Number of events read in one statement, which is also the maximum held in memory. Default: 1,000. */
  pageSize?: number
}

export const ITERATE_OPTIONS: Members<IterateOptions> = { ...STREAM_READ_OPTIONS, pageSize: true }

/** The end of a stream. */
export interface StreamHead {
  /** Version of the last appended event, for use as `expectedVersion`. */
  version: number
  /** Id of the last event in the log; null when the log has none of its events left (archived, truncated, removed by retention). */
  position: string | null
  /** Time of the last appended event, in milliseconds since 1970. */
  lastTs: number
  /** Milliseconds since 1970; only present when the stream is archived. */
  archivedAt?: number
}

export interface StreamListOptions {
  /** `*` matches any number of characters, `?` exactly one, everything else is literal. Default: all streams. */
  glob?: string
  /** The `cursor` of the previous page. Default: the first page. */
  cursor?: string | null
  /** Maximum number of streams on a page. Default: 50. */
  limit?: number
}

export const STREAM_LIST_OPTIONS: Members<StreamListOptions> = { glob: true, cursor: true, limit: true }

export interface StreamList {
  streams: (Omit<StreamHead, 'position'> & { subject: string })[]
  /** Pass it to the next call to get the next page; null after the last page. */
  cursor: string | null
}

export interface Reason {
  reason: string
  /** The user or system responsible. */
  by: string
}

export const REASON: Members<Reason> = { reason: true, by: true }

export interface DismissedEvent extends Reason {
  event: EventRecord
  /** When the event was dismissed, in milliseconds since 1970. */
  at: number
}

/** The operations on single streams. */
export interface StreamOperations {
  /**
   * Appends one event and resolves with the complete record once it is durable.
   * @throws {StoreError} INVALID_VALUE when the event contains a value that PostgreSQL or JSON can't store,
   * VERSION_CONFLICT with `details: { subject, expected, actual }` when `expectedVersion` is not met, ARCHIVED when the
   * stream is archived
   * @example await store.stream.append('orders:42', { type: 'order.paid' }, { expectedVersion: 1, eventId: 'payment-7' })
   */
  append(subject: string, event: EventInput, options?: AppendOptions): Promise<EventRecord>
  /**
   * Appends several events to one subject, all or none. Up to 5,000 events are sent in one statement; larger imports are
   * sent in steps inside one transaction, and `onProgress` is called after each step.
   * @throws {StoreError} as `append` does
   * @example await store.stream.appendMany('orders:42', [{ type: 'order.placed' }, { type: 'order.paid' }])
   */
  appendMany(subject: string, events: EventInput[], options?: AppendManyOptions): Promise<EventRecord[]>
  /**
   * Appends to several subjects, all or none. An entry without events only checks its `expectedVersion`. Concurrent calls
   * that name the same subjects in different orders do not deadlock.
   * @returns the records of each entry, in the order of the entries
   * @throws {StoreError} as `append` does; the details name the subject
   * @example
   * await store.stream.appendAll([
   *   { subject: 'stock:7', events: [{ type: 'reserved' }], expectedVersion: 3 },
   *   { subject: 'orders:42', events: [{ type: 'order.placed' }], expectedVersion: 'no-stream' },
   * ])
   */
  appendAll(entries: AppendEntry[]): Promise<EventRecord[][]>
  /**
   * Reads the events of a subject: all of them unless `limit` is given, oldest first unless `order` is `desc`.
   * @throws {StoreError} INVALID_VALUE when an argument or option is not valid
   */
  read(subject: string, options?: StreamReadOptions): Promise<EventRecord[]>
  /**
   * Reads a stream of any length page by page, in constant memory. Takes the options of `read`. Events that are appended
   * during the iteration are included.
   * @throws {StoreError} INVALID_VALUE when an argument or option is not valid
   * @example for await (const event of store.stream.iterate('orders:42', { pageSize: 1000 })) total += event.data.total
   */
  iterate(subject: string, options?: IterateOptions): AsyncIterable<EventRecord>
  /** The end of a stream; null when nothing was ever appended to it, or it was deleted. */
  current(subject: string): Promise<StreamHead | null>
  /**
   * Lists streams in order of their subject, page by page.
   * @throws {StoreError} INVALID_VALUE when an option or the cursor is not valid
   * @example const { streams, cursor } = await store.stream.list({ glob: 'orders:*', limit: 20 })
   */
  list(options?: StreamListOptions): Promise<StreamList>
  /** Deletes a stream with all its events, archived ones included. Resolves with true when there were any. */
  delete(subject: string): Promise<boolean>
  /**
   * Archives a finished stream: its events move from the log to the archive, where only reads with `{ archived: true }`
   * see them. Later appends are refused with ARCHIVED. Resolves with false when there is no such stream, or when it is
   * archived already.
   */
  archive(subject: string): Promise<boolean>
  /** Moves an archived stream back into the log, unchanged. Resolves with false when it is not archived. */
  unarchive(subject: string): Promise<boolean>
  /** Permanently deletes the events before a version. Resolves with their number. The other events keep id and version. */
  truncateBefore(subject: string, version: number): Promise<number>
  /** Hides an event from all reads without deleting it. Resolves with false when there is no such event, or it is hidden already. */
  dismiss(id: string, reason: Reason): Promise<boolean>
  /** Makes a dismissed event visible again, under its id and version. Resolves with false when there is no such event, or it is not hidden. */
  restore(id: string): Promise<boolean>
  /** The hidden events of a subject, with who dismissed them, why and when. */
  dismissed(subject: string): Promise<DismissedEvent[]>
}
