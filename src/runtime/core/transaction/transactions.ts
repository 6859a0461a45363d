import type { Connector, Started } from '../db/connect'
import type { AtomicOptions, Db, Session, StreamTables } from '../db/types'
import { checkFunction } from '../shared/checks'
import { StoreError } from '../shared/errors'
import { isInside, runInside } from '../shared/inside'
import { createTransactionCalls } from './calls'
import { joinClient } from './client'
import type { Losses } from './losses'
import { checkTransactionOptions, withRetries } from './retries'
import type { CheckedTransactionOptions } from './retries'
import { flattened, transactionTiers } from './tiers'
import type { TransactionRoutes, TransactionTiers } from './tiers'
import type { TransactionApi, TransactionClient, TransactionOptions } from './types'

/** Counts and traces calls; a `Place` collects the counts of one transaction. */
interface Observer<Place extends { restart(): void }> {
  call<R>(operation: string, run: (place: Place) => Promise<R>): Promise<R>
  apis(tiers: TransactionTiers, place?: Place): TransactionTiers
}

interface TransactionsOptions<Place extends { restart(): void }> {
  routes: TransactionRoutes
  connector: Connector<{ tables: StreamTables }>
  observer: Observer<Place>
  /** @throws a more helpful error than the one of the database, where there is one; else the same */
  explain(db: Db, error: unknown): Promise<never>
  losses: Losses
  /** Called after the commit, for every subject that the transaction has appended to. */
  onAppend(subject: string): void
}

/** `session`: the same transaction, for statements of the store itself. */
type Work<T> = (tx: TransactionApi, session: Session) => Promise<T>

interface WithinOptions extends CheckedTransactionOptions, Pick<AtomicOptions, 'idleTimeout'> {}

export interface Transactions {
  /** A transaction of the store's own, in which code of the caller's runs. */
  within<T>(operation: string, work: Work<T>, options?: Pick<AtomicOptions, 'idleTimeout'>): Promise<T>
  transaction<T>(work: (tx: TransactionApi) => Promise<T>, options?: TransactionOptions): Promise<T>
  with(client: TransactionClient): TransactionApi
  /**
   * Refuses a call that would wait for the transaction it is made in.
   * @throws {StoreError} INVALID_CALL
   */
  requireOutside(call: string): void
  /**
   * The same for `close()`, which waits for all calls of the caller.
   * @throws {StoreError} INVALID_CALL
   */
  requireClosable(): void
}

/** Transactions over streams, index and key-value: the store's own, and those that the caller has opened. */
export function createTransactions<Place extends { restart(): void }>(options: TransactionsOptions<Place>): Transactions {
  const { routes, connector, observer, losses } = options
  // Mark the two kinds of calls that run the caller's code: `close` inside either would wait for itself.
  const [transactions, joined] = [{}, {}]

  async function run<T>(work: Work<T>, { retries, ...begin }: WithinOptions, place: Place, { db, value: { tables } }: Started<{ tables: StreamTables }>): Promise<T> {
    const appended = new Set<string>()
    let thrown: { error: unknown } | undefined
    const attempt = () => db.atomic((session) => {
      thrown = undefined
      appended.clear()
      place.restart()
      const tiers = transactionTiers({ ...routes, appended: subject => appended.add(subject) }, call => call(session, tables).catch(losses.note))
      const calls = createTransactionCalls()
      return calls.during(() => work(calls.on(flattened(observer.apis(tiers, place))), session)).catch((error: unknown) => {
        thrown = { error }
        throw error
      })
    }, begin).catch((error: unknown) => {
      // What the work throws may be the error of any other connection.
      if (thrown?.error === error) throw error
      return losses.note(error)
    })
    // What has to run with appends can't be found out inside a transaction of a stricter level.
    const begun = async () => {
      if ((begin.isolation ?? 'read committed') !== 'read committed') await routes.hook.known(db)
      return attempt()
    }
    const result = await runInside(transactions, () => withRetries(retries, begun)).catch((error: unknown) => options.explain(db, error))
    appended.forEach(options.onAppend)
    await tables.afterTransaction()
    return result
  }

  function requireOutside(call: string): void {
    if (isInside(transactions)) throw new StoreError('INVALID_CALL', `${call} inside transaction() would wait for itself: call it when the transaction has ended`)
  }

  const within = <T>(operation: string, work: Work<T>, checked: WithinOptions): Promise<T> =>
    observer.call(operation, place => connector.call(() => connector.use(started => run(work, checked, place, started))))

  return {
    within: (operation, work, options) => within(operation, work, { ...checkTransactionOptions(undefined), ...options }),
    async transaction(work, given) {
      checkFunction('work', work)
      return within('transaction', tx => work(tx), checkTransactionOptions(given))
    },
    with(client) {
      const session = joinClient(client)
      const tiers = transactionTiers(routes, work =>
        connector.call(() => connector.use(({ value }) => runInside(joined, () => work(session, value.tables)))))
      return flattened(observer.apis(tiers))
    },
    requireOutside,
    requireClosable() {
      requireOutside('close()')
      if (isInside(joined)) throw new StoreError('INVALID_CALL', 'close() inside query() of the client given to with() would wait for itself: call it when that has resolved')
    },
  }
}
