import type { StoreAdmin } from './admin'
import type { TransactionClient } from './client'
import type { IndexSurface } from './entries'
import type { KvSurface } from './kv'
import type { Members } from '../shared/members'
import type { StreamSurface, TransactionStreamSurface } from './stream'

/** The three tiers, bound to the pool or to one transaction. */
export interface Surfaces {
  stream: StreamSurface
  index: IndexSurface
  kv: KvSurface
}

export interface TransactionSurfaces extends Omit<Surfaces, 'stream'> {
  stream: TransactionStreamSurface
  /**
   * Runs the caller's own SQL in the transaction. Values travel as parameters (`$1`, `$2` …), never as text.
   * `bigint` and `numeric` arrive as strings, `json` parsed, times as `Date`.
   */
  query<Row extends Record<string, unknown> = Record<string, unknown>>(
    text: string,
    values?: unknown[],
  ): Promise<{ rows: Row[], rowCount: number }>
}

export type IsolationLevel = 'read committed' | 'repeatable read' | 'serializable'

export interface TransactionOptions {
  /** What the transaction sees of others. Default: `read committed`, whatever the default of the database is. */
  isolation?: IsolationLevel
  /**
   * How many times the work is run again, after a growing pause, when PostgreSQL ends the transaction because of
   * others (serialization failure, deadlock). Default: 3.
   */
  retries?: number
}

export const TRANSACTION_OPTIONS: Members<TransactionOptions> = { isolation: true, retries: true }

export interface Store extends Surfaces {
  /**
   * Connects and migrates, once; later calls return the same promise. Every other call does this by itself.
   * @throws {StoreError} CONNECTION, SCHEMA_BEHIND, SCHEMA_TOO_NEW, MIGRATION_FAILED, MISSING_DRIVER, DATABASE_LOCKED
   */
  ready(): Promise<StoreInfo>
  /**
   * Runs `work` in one database transaction. Whatever it throws rolls everything back and is thrown again; calls it
   * has not awaited are waited for, and `tx` is refused once it has ended. When
   * PostgreSQL ends the transaction because of others, the work is run again: it should do nothing outside of `tx`
   * that must happen once only.
   * @example
   * await store.transaction(async (tx) => {
   *   await tx.stream.append('orders:42', { type: 'order.paid' })
   *   await tx.index.update('orders', '42', { status: 'paid' })
   * })
   */
  transaction<T>(work: (tx: TransactionSurfaces) => Promise<T>, options?: TransactionOptions): Promise<T>
  /**
   * The same surfaces on a transaction that the caller has opened: with `pg`, Drizzle, Kysely, or anything else that
   * has `query(text, values)`. The caller commits or rolls back, and a call that fails ends the transaction, as any
   * failed statement does.
   * @throws {StoreError} INVALID_VALUE when that is nothing to run a statement on, or a pool
   * @example
   * await db.transaction().execute(async (trx) => {
   *   await trx.insertInto('invoices').values(invoice).execute()
   *   await store.with(trx).stream.append('orders:42', { type: 'order.invoiced' })
   * })
   */
  with(client: TransactionClient): TransactionSurfaces
  /** For operators: the schema, retention, health, metrics, events. */
  readonly admin: StoreAdmin
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
  /** The schema whose tables of the published adapter this start adopted. */
  adoptedFrom?: string
  /** Server version, as the server says it. */
  serverVersion: string
}
