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
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Metadata = Record<string, any>

export interface IndexEntry {
  id: string
  score: number
  /** Absent when the entry was added without. `version` is the store's: 0 after add, +1 for every update and increment. */
  metadata?: Metadata & { version: number }
}

/** Equality by dotted path; an array means "one of". A field that is unknown matches nothing. */
export type IndexFilter = Record<string, FilterValue | FilterValue[]>
export type FilterValue = string | number | boolean | null

export interface IndexReadOptions {
  /** Entries to skip. Default: 0. */
  offset?: number
  /** Default: 50. */
  limit?: number
  filter?: IndexFilter
}

export interface IndexPageOptions {
  /** Where the page before ended. */
  cursor?: string | null
  /** Default: 50. */
  limit?: number
  /** By score; default: `desc`, highest first. */
  order?: 'asc' | 'desc'
  /** Inclusive score. */
  min?: number
  /** Inclusive score. */
  max?: number
  filter?: IndexFilter
}

export interface IndexPage {
  entries: IndexEntry[]
  /** Gives the next page; null after the last one. */
  cursor: string | null
}

export interface IndexUpdateOptions {
  /** Update only while `metadata.version` is this one; the call returns false otherwise. */
  expectedVersion?: number
}

export interface IndexSurface {
  /** Adds an entry, or replaces the score and all metadata of the one that is there; its version starts again at 0. */
  add(key: string, id: string, score: number, metadata?: Metadata): Promise<void>
  get(key: string, id: string): Promise<IndexEntry | null>
  /** Highest score first, ties in order of insertion; 50 entries unless `limit` is given. */
  read(key: string, options?: IndexReadOptions): Promise<IndexEntry[]>
  /** The entries of several ids, in their order; null where there is none. */
  getMany(key: string, ids: string[]): Promise<(IndexEntry | null)[]>
  /**
   * Reads page by page; a page deep inside costs what the first one does. Entries that are added or removed
   * meanwhile shift nothing.
   * @example
   * const { entries, cursor } = await store.index.readPage('orders', { limit: 20 })
   * const next = await store.index.readPage('orders', { limit: 20, cursor })
   */
  readPage(key: string, options?: IndexPageOptions): Promise<IndexPage>
  /** How many entries there are, or match. */
  count(key: string, filter?: IndexFilter): Promise<number>
  /**
   * Merges a patch into the metadata (RFC 7396: `null` deletes a key, arrays and scalars are replaced), in one
   * atomic statement. `undefined` leaves a key alone; a dotted key at the top level is expanded to nested ones.
   * @returns false when there is no such entry or `expectedVersion` is not its version.
   */
  update(key: string, id: string, patch: Metadata, options?: IndexUpdateOptions): Promise<boolean>
  /**
   * `update` that waits, with exponential backoff and jitter, for an entry that is not there yet.
   * @param maxRetries attempts after the first one. Default: 3.
   * @throws {StoreError} NOT_FOUND (`Entry not found …`) when it still is not there.
   */
  updateWithRetry(key: string, id: string, patch: Metadata, maxRetries?: number): Promise<void>
  /**
   * Adds `by` (default 1, fractions allowed) to the number at a dotted path; a missing path starts at 0.
   * @returns the new number.
   * @throws {StoreError} NOT_FOUND (`Entry not found …`) or INVALID_VALUE when something else than a number is there.
   */
  increment(key: string, id: string, field: string, by?: number): Promise<number>
  /** True when there was such an entry. */
  delete(key: string, id: string): Promise<boolean>
  /** The same as `delete`. */
  remove(key: string, id: string): Promise<boolean>
}

export interface KvEntry {
  key: string
  value: unknown
  /** Seconds, fractions allowed; without it the key stays for ever. */
  ttlSeconds?: number
}

export interface KvSurface {
  // nvent's own type: values are read without a guard.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  get<T = any>(key: string): Promise<T | null>
  /** Stores a JSON value (`undefined` as null). Without `ttlSeconds` (fractions allowed) the key stays for ever. */
  set(key: string, value: unknown, ttlSeconds?: number): Promise<void>
  /** The values of several keys, in their order; null where there is none. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  getMany<T = any>(keys: string[]): Promise<(T | null)[]>
  /** Stores several values, all or none; of a key that comes twice the last value. */
  setMany(entries: KvEntry[]): Promise<void>
  delete(key: string): Promise<void>
  /** Deletes the keys a glob matches (`*` any run, `?` one character, all else literal) and returns how many. */
  clear(glob: string): Promise<number>
  /**
   * Adds `by` (default 1) to a number, starting at 0; keeps the time to live.
   * @throws {StoreError} INVALID_VALUE when the key holds something else than a number; the value stays.
   */
  increment(key: string, by?: number): Promise<number>
}

/** The three tiers, bound to the pool or to one transaction. */
export interface Surfaces {
  stream: StreamSurface
  index: IndexSurface
  kv: KvSurface
}

export interface TransactionSurfaces extends Omit<Surfaces, 'stream'> {
  stream: Omit<StreamSurface, 'subscribe'>
  /**
   * Runs the caller's own SQL in the transaction. Values travel as parameters (`$1`, `$2` …), never as text.
   * `bigint` and `numeric` arrive as strings, `json` parsed, times as `Date`.
   */
  query<Row extends Record<string, unknown> = Record<string, unknown>>(
    text: string,
    values?: unknown[],
  ): Promise<{ rows: Row[], rowCount: number }>
}

export interface Store extends Surfaces {
  /**
   * Connects and migrates, once; later calls return the same promise. Every other call does this by itself.
   * @throws {StoreError} CONNECTION, SCHEMA_BEHIND, SCHEMA_TOO_NEW, MIGRATION_FAILED, MISSING_DRIVER, DATABASE_LOCKED
   */
  ready(): Promise<StoreInfo>
  /**
   * Runs `work` in one database transaction. Whatever it throws rolls everything back and is thrown again.
   * @example
   * await store.transaction(async (tx) => {
   *   await tx.stream.append('orders:42', { type: 'order.paid' })
   *   await tx.index.update('orders', '42', { status: 'paid' })
   * })
   */
  transaction<T>(work: (tx: TransactionSurfaces) => Promise<T>): Promise<T>
  /** Finishes the calls under way, refuses new ones with CLOSED, and lets the connections go. May be called again. */
  close(): Promise<void>
}

/** What a store is connected to. Holds no secret, so it may be logged. */
export interface StoreInfo {
  driver: 'postgres' | 'pglite'
  /** `host:port/database`, or the directory of an embedded database, or `memory`. */
  database: string
  schema: string
  prefix: string
  /** Version of the schema in the database. */
  schemaVersion: number
  /** Migrations this start applied. */
  applied: number
  /** Server version, as the server says it. */
  serverVersion: string
}
