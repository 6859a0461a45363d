import type { IndexSurface } from './entries'
import type { KvSurface } from './kv'
import type { StreamSurface } from './stream'

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
  /**
   * Lets the idle connections go, unless calls are under way; the next call opens what it needs. For functions that
   * are frozen between requests. A `pool` of the caller's own is left alone.
   */
  releaseIdle(): Promise<void>
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
