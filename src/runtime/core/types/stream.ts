import type {
  AppendEntry, AppendManyOptions, AppendOptions, DismissedEvent, EventMeta, IterateOptions, Reason, StreamHead, StreamList, StreamListOptions,
} from './eventLog'
import type { GlobalEvent, ReadAllOptions } from './global'
import type { Members } from '../shared/members'
import type { EventCodec, EventSchemas, TypedStream, TypedStreamOptions } from './typed'

/** What an event is given as. `id` and `ts` are the store's: a caller's own are ignored. */
export interface EventInput {
  type: string
  runId?: string
  flowName?: string
  stepName?: string
  stepId?: string
  attempt?: number
  data?: unknown
  /** Any other field comes back as it was given. */
  [field: string]: unknown
}

/** An event as it was stored. */
export interface EventRecord extends EventInput {
  /** Decimal string. Ids of all streams come from one sequence: the id is also the global position. */
  id: string
  /** Milliseconds since 1970 on the database's clock. Never runs backwards within a subject. */
  ts: number
  // As nvent's interface has them. An event that was given none has none: nothing is invented.
  runId: string
  flowName: string
  // nvent's own type is `any` here: its code reads members of `data` without a guard.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  data?: any
  /** Who and what caused it, as it was given to `append`. */
  meta?: EventMeta
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  [field: string]: any
}

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

export interface StreamSurface {
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
  /**
   * The same streams with the types of a codec: `data` is checked by its schema when it is written and when it is
   * read, and comes back as the schema gives it (docs/typed-streams.md).
   * @throws {StoreError} INVALID_VALUE when a schema is none, or a version no whole number from 1 on
   * @example
   * const orders = store.stream.of({ 'order.placed': z.object({ total: z.number() }) })
   * await orders.append('orders:42', { type: 'order.placed', data: { total: 99 } })
   */
  of<const Schemas extends EventSchemas>(codec: EventCodec<Schemas> | Schemas, options?: TypedStreamOptions): TypedStream<Schemas>
}

/** The streams of a transaction: nothing is followed there. */
export interface TransactionStreamSurface extends Omit<StreamSurface, 'subscribe' | 'readAll' | 'of'> {
  of<const Schemas extends EventSchemas>(
    codec: EventCodec<Schemas> | Schemas, options?: TypedStreamOptions,
  ): Omit<TypedStream<Schemas>, 'subscribe'>
}
