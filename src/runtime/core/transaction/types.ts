import type { IsolationLevel } from '../db/types'
import type { TransactionDedupe } from '../dedupe/types'
import type { IndexApi } from '../entries/types'
import type { KvApi } from '../kv/types'
import type { Members } from '../shared/types'
import type { OutboxWriter } from '../outbox/types'
import type { RulesApi } from '../rules/types'
import type { StreamOperations } from '../stream/types'
import type { EventSchemas, EventCodec, TypedStreamOptions, TypedStream } from '../typed/types'

/** A connection with an open transaction: a client of `pg`, the `tx` of `store.transaction`, or a wrapper around one. */
export interface QueryClient {
  // Every library has its own result types.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  query(text: string, values?: any[]): Promise<{ rows: any[], rowCount?: number | null }>
}

/** A transaction of Kysely, from `db.transaction().execute(…)` or `db.startTransaction()`. */
export interface KyselyTransaction {
  readonly isTransaction: true
  withoutPlugins(): unknown
}

/** A transaction of Drizzle (`drizzle-orm/node-postgres`), from `db.transaction(…)`. */
export interface DrizzleTransaction {
  readonly _: { readonly session: object }
  execute(query: string): unknown
  rollback(): never
}

export type TransactionClient = QueryClient | KyselyTransaction | DrizzleTransaction

/** The streams of a transaction, without subscriptions. */
export interface TransactionStreamApi extends StreamOperations {
  of<const Schemas extends EventSchemas>(
    codec: EventCodec<Schemas> | Schemas, options?: TypedStreamOptions,
  ): Omit<TypedStream<Schemas>, 'subscribe'>
}

export interface TransactionApi {
  stream: TransactionStreamApi
  index: IndexApi
  kv: KvApi
  dedupe: TransactionDedupe
  rules: RulesApi
  outbox: OutboxWriter
  /**
   * Runs the caller's SQL, one statement, in the transaction. Values are sent as parameters (`$1`, `$2` …), never as
   * part of the statement. In rows, `bigint` and `numeric` are strings, `json` is parsed, timestamps are `Date`.
   * @throws {StoreError} INVALID_VALUE, INVALID_CALL once the transaction has ended; else the code of the database's error
   */
  query<Row extends Record<string, unknown> = Record<string, unknown>>(
    text: string,
    values?: unknown[],
  ): Promise<{ rows: Row[], rowCount: number }>
}

export interface TransactionOptions {
  /** Isolation level. Default: `read committed`, whatever the default of the database is. */
  isolation?: IsolationLevel
  /**
   * Maximum number of times the work is retried, after growing pauses, when a serialization failure or a deadlock
   * ended the transaction. Default: 3.
   */
  retries?: number
}

export const TRANSACTION_OPTIONS: Members<TransactionOptions> = { isolation: true, retries: true }
