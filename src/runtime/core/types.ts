import type { AggregatesApi } from './aggregates/types'
import type { StoreAdmin } from './admin/types'
import type { DeadLettersApi } from './consumers/deadLetterTypes'
import type { ConsumeOptions, Consumer } from './consumers/types'
import type { DedupeApi } from './dedupe/types'
import type { IndexApi } from './entries/types'
import type { KvApi } from './kv/types'
import type { LeasesApi } from './leases/types'
import type { Project } from './projections/types'
import type { ProjectionsApi } from './projections/statesApi'
import type { OutboxApi } from './relay/types'
import type { RulesApi } from './rules/types'
import type { LogOperations } from './log/types'
import type { StoreInfo } from './schema/types'
import type { StreamOperations } from './stream/types'
import type { TransactionClient, TransactionApi, TransactionOptions } from './transaction/types'
import type { TypedViews } from './typed/types'

/** The API of `store.stream`. */
export interface StreamApi extends StreamOperations, LogOperations, TypedViews {}

/** The APIs of a store: event streams, sorted indexes, key-value. */
export interface StoreApis {
  stream: StreamApi
  index: IndexApi
  kv: KvApi
}

export interface Store extends StoreApis, AggregatesApi {
  /**
   * Connects and migrates, once; later calls return the same promise. Every other call does this by itself.
   * @throws {StoreError} CONNECTION, SCHEMA_BEHIND, SCHEMA_TOO_NEW, MIGRATION_FAILED, MISSING_DRIVER, DATABASE_LOCKED
   */
  ready(): Promise<StoreInfo>
  /**
   * Runs `work` in one database transaction, and resolves with its result. An error of `work` rolls everything back
   * and is thrown again. Calls on `tx` that `work` has not awaited are awaited; later ones reject with INVALID_CALL.
   * After a serialization failure or a deadlock, `work` runs again: it should have no side effects outside of `tx`.
   * @throws {StoreError} the errors of the calls; INVALID_VALUE, CONNECTION, TIMEOUT, CLOSED
   * @example
   * await store.transaction(async (tx) => {
   *   await tx.stream.append('orders:42', { type: 'order.paid' })
   *   await tx.index.update('orders', '42', { status: 'paid' })
   * })
   */
  transaction<T>(work: (tx: TransactionApi) => Promise<T>, options?: TransactionOptions): Promise<T>
  /**
   * The same APIs on a transaction that the caller has opened: with `pg`, Drizzle, Kysely, or any other client with
   * `query(text, values)`. The caller commits or rolls back. A call that fails aborts the transaction, as any failed
   * statement does.
   * @throws {StoreError} INVALID_VALUE when `client` can't run statements, or is a pool
   * @example
   * await db.transaction().execute(async (trx) => {
   *   await trx.insertInto('invoices').values(invoice).execute()
   *   await store.with(trx).stream.append('orders:42', { type: 'order.invoiced' })
   * })
   */
  with(client: TransactionClient): TransactionApi
  /**
   * Handles the events of the log in the background, in any number of processes: each event once, those of one subject
   * in their order. What fails is tried again, and waits for an operator in the end (docs/consumers.md).
   * @throws {StoreError} INVALID_VALUE at once, when an option can't be right
   * @example
   * const fulfilment = store.consume({
   *   name: 'fulfilment', subjects: ['orders:*'], types: ['order.paid'],
   *   handler: async (event, { tx }) => tx.index.update('orders', event.subject, { status: 'packing' }),
   * })
   * await fulfilment.start()
   */
  consume(options: ConsumeOptions): Consumer
  /** The events of the log for workers that ask for them, in whatever process or language (docs/consumers.md). */
  readonly leases: LeasesApi
  /** The events that consumers have given up. */
  readonly deadLetters: DeadLettersApi
  /** Keys that are taken once for a time, and work that runs once for its key (docs/dedupe.md). */
  readonly dedupe: DedupeApi<TransactionApi>
  /** Rules that count the events of a subject in a sliding window (docs/rules.md). */
  readonly rules: RulesApi
  /** Messages to other systems, sent if and only if their transaction is committed (docs/outbox.md). */
  readonly outbox: OutboxApi
  /**
   * Makes states of events: one for each key, kept up to date in the background and built again when its version is
   * raised (docs/projections.md).
   * @throws {StoreError} INVALID_VALUE at once, when an option can't be right
   * @example
   * const totals = store.project({
   *   name: 'totals', subjects: ['orders:*'], init: { total: 0 },
   *   handle: (state, event) => ({ total: state.total + event.data.amount }),
   * })
   * await totals.start()
   */
  readonly project: Project
  /** The states of projections (docs/projections.md). */
  readonly projections: ProjectionsApi
  /** For operators: the schema, retention, health, metrics, events. */
  readonly admin: StoreAdmin
  /**
   * Closes the idle connections, unless calls are in progress; the next call opens a new one. For functions that are
   * frozen between requests. Does nothing with the caller's own `pool`.
   */
  releaseIdle(): Promise<void>
  /**
   * Waits for the calls in progress, refuses new ones with CLOSED, and closes the connections. May be called again.
   * @throws {StoreError} INVALID_CALL inside `transaction` or a callback that it would wait for
   */
  close(): Promise<void>
}
