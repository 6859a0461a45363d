import type { StoreAdmin } from './admin/types'
import type { IndexApi } from './entries/types'
import type { KvApi } from './kv/types'
import type { LogOperations } from './log/types'
import type { StoreInfo } from './schema/types'
import type { StreamOperations } from './stream/types'
import type { TransactionClient, TransactionApi, TransactionOptions } from './transaction/types'
import type { TypedViews } from './typed/types'

/** Everything `store.stream` offers. */
export interface StreamApi extends StreamOperations, LogOperations, TypedViews {}

/** The three tiers, bound to the pool or to one transaction. */
export interface StoreApis {
  stream: StreamApi
  index: IndexApi
  kv: KvApi
}

export interface Store extends StoreApis {
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
  transaction<T>(work: (tx: TransactionApi) => Promise<T>, options?: TransactionOptions): Promise<T>
  /**
   * The same apis on a transaction that the caller has opened: with `pg`, Drizzle, Kysely, or anything else that
   * has `query(text, values)`. The caller commits or rolls back, and a call that fails ends the transaction, as any
   * failed statement does.
   * @throws {StoreError} INVALID_VALUE when that is nothing to run a statement on, or a pool
   * @example
   * await db.transaction().execute(async (trx) => {
   *   await trx.insertInto('invoices').values(invoice).execute()
   *   await store.with(trx).stream.append('orders:42', { type: 'order.invoiced' })
   * })
   */
  with(client: TransactionClient): TransactionApi
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
