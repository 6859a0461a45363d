import type { GlobalEvent, ReadAllOptions } from './global'

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
  // nvent's own type is `any` here: its code reads members of `data` without a guard.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  data?: any
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  [field: string]: any
}

export interface StreamReadOptions {
  /** Only events of these types; `limit` counts after this filter. */
  types?: string[]
  /** Exclusive event id: only events after this position. */
  after?: string
  /** Exclusive event id: only events before this position. */
  before?: string
  /** Inclusive time in milliseconds. */
  from?: number
  /** Inclusive time in milliseconds. */
  to?: number
  /** At most this many events. Default: all. */
  limit?: number
  /** Default: `asc`, oldest first. */
  order?: 'asc' | 'desc'
}

export interface AppendManyOptions {
  /** Called after each step of a large import, before it is committed. */
  onProgress?: (progress: { appended: number, total: number }) => void
}

export interface SubscribeOptions {
  /**
   * Where to begin: with what is appended from now on, with the first event, or after a position (an event id).
   * @default 'now'
   */
  from?: 'now' | 'start' | (string & {})
  /** Ends the subscription when it aborts. */
  signal?: AbortSignal
  /** Told when the callback threw or reading failed for good; the subscription has ended by then. */
  onError?: (error: unknown) => void
}

export interface StreamSubscription {
  id: string
  subject: string
  /** Ends the subscription; resolves once a callback that is running has returned. */
  unsubscribe(): Promise<void>
}

export interface StreamSurface {
  /**
   * Appends one event and resolves with the complete record once it is durable.
   * @throws {StoreError} INVALID_VALUE when the event holds what PostgreSQL or JSON can't keep.
   * @example await store.stream.append('orders:42', { type: 'order.placed', data: { total: 99 } })
   */
  append(subject: string, event: EventInput): Promise<EventRecord>
  /**
   * Appends several events to one subject, all or none, in one statement. An import of any size goes in steps inside
   * one transaction; `onProgress` hears how many events are in after each of them.
   * @example await store.stream.appendMany('orders:42', [{ type: 'order.placed' }, { type: 'order.paid' }])
   */
  appendMany(subject: string, events: EventInput[], options?: AppendManyOptions): Promise<EventRecord[]>
  /** Reads the events of a subject, all of them unless `limit` is given, oldest first unless `order` says otherwise. */
  read(subject: string, options?: StreamReadOptions): Promise<EventRecord[]>
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
}
