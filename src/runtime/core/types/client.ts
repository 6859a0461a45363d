/** A connection with an open transaction: a client of `pg`, the `tx` of `store.transaction`, or a wrapper around one. */
export interface QueryClient {
  // Every library has result types of its own.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  query(text: string, values?: any[]): Promise<{ rows: any[], rowCount?: number | null }>
}

/** The transaction of Kysely: what `db.transaction().execute(…)` and `db.startTransaction()` give. */
export interface KyselyTransaction {
  readonly isTransaction: true
  withoutPlugins(): unknown
}

/** The transaction of Drizzle (`drizzle-orm/node-postgres`): what `db.transaction(…)` gives. */
export interface DrizzleTransaction {
  readonly _: { readonly session: object }
  execute(query: string): unknown
  rollback(): never
}

export type TransactionClient = QueryClient | KyselyTransaction | DrizzleTransaction
