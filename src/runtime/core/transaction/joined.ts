import type { Session, StreamTables } from '../db/types'
import { createTransactionCalls } from './calls'
import { flattened, transactionTiers } from './tiers'
import type { TransactionRoutes } from './tiers'
import type { TransactionApi } from './types'

/**
 * Runs code of the caller's as a part of a call whose transaction is open already. Its calls run in that transaction, and
 * are waited for.
 */
export function joinTransaction<T>(routes: TransactionRoutes, session: Session, tables: StreamTables, work: (tx: TransactionApi) => Promise<T>): Promise<T> {
  const calls = createTransactionCalls()
  const tiers = transactionTiers(routes, call => call(session, tables))
  return calls.during(() => work(calls.on(flattened(tiers))))
}
