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
  /** Calls back for every event appended from now on, in order, one at a time. */
  subscribe(
    subject: string,
    onEvent: (event: EventRecord) => unknown,
    options?: SubscribeOptions,
  ): Promise<StreamSubscription>
  /** Removes a subject with all its events; true when there were any. Ids of other events stay as they are. */
  delete(subject: string): Promise<boolean>
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
export interface TransactionStreamSurface extends Omit<StreamSurface, 'subscribe' | 'of'> {
  of<const Schemas extends EventSchemas>(
    codec: EventCodec<Schemas> | Schemas, options?: TypedStreamOptions,
  ): Omit<TypedStream<Schemas>, 'subscribe'>
}
