import { createAdmin } from './admin/api'
import { countedBatcher } from './observability/countedBatcher'
import { createWatch } from './observability/watch'
import { createBatcher } from './batch/batcher'
import type { Batching, Gate } from './batch/batching'
import { PAGES, ROWS } from './batch/batching'
import type { Queue } from './batch/operation'
import { createConnector } from './db/connect'
import type { Connector } from './db/connect'
import { joinClient } from './transaction/client'
import type { Db, DbOptions, StreamTables } from './db/types'
import { checkFunction } from './shared/checks'
import { StoreError, messageOf } from './shared/errors'
import { isInside, runInside } from './shared/inside'
import { readRules } from './jobs/retention/rules'
import { createRetention } from './jobs/retention/run'
import { createStreamTables } from './partitions/streamTables'
import { createNotifier } from './log/notifier'
import { readAll } from './log/readAll'
import { releaseCallback } from './log/subscriptions/follower'
import { createSubscriptions } from './log/subscriptions/subscribe'
import { startSweep } from './jobs/sweep'
import { checkTransactionOptions, withRetries } from './transaction/retries'
import { createTransactionCalls } from './transaction/calls'
import { flattened, transactionTiers } from './transaction/tiers'
import { createTurns } from './jobs/jobLock'
import { withTypedViews } from './typed/view'
import { explainGone } from './schema/gone'
import { explainRefused } from './schema/rights'
import { describeStore, schemaOf } from './schema/start'
import type { Logger, StoreOptions } from './options'
import { resolveOptions } from './options'
import { indexSpecs, streamSpecs } from './tables/builtin'
import { createRouter } from './tables/route'
import { createSelect } from './tables/select'
import { namesOf } from './shared/identifier'
import { orderKey } from './log/orderKey'
import { createStatementCache } from './sql/statement'
import type { StatementContext } from './sql/template'
import { notifyReaders } from './log/order'
import { sendAlone, sendInOrder } from './batch/alone'
import { createGlobalReader } from './log/reader'
import { createIndexSurface } from './entries/api'
import { createKvSurface } from './kv/api'
import { createProgress } from './stream/append/progress'
import type { Scope } from './batch/scope'
import { createStreamSurface } from './stream/api'
import type { ReadAllOptions, Store, StoreInfo } from './types/index'

interface Prepared {
  info: StoreInfo
  tables: StreamTables
}

/**
 * Makes a store. It connects and migrates at the first call (or `ready()`), and every call waits for that.
 * @throws {StoreError} INVALID_OPTION at once, when an option can't be right
 * @example
 * const store = createStore({ connection: 'postgres://localhost/app' })
 * await store.kv.set('greeting', 'hello', 60)
 */
export const createStore = (options: StoreOptions): Store => createStoreOn(options)

/** The same, with what only the command line asks of a database, and what only an app is told. */
export function createStoreOn(options: StoreOptions, access: Pick<DbOptions, 'onlyLook' | 'onWait'> = {}): Store {
  const resolved = resolveOptions(options)
  const rules = readRules(resolved.retention)
  const names = namesOf(resolved.schema, resolved.prefix)
  const context = { names, cache: createStatementCache(resolved.prepare), tenant: '' }
  const routes = {
    context,
    progress: createProgress(),
    streamTables: streamSpecs.map(spec => spec.table),
    streamRoute: createRouter(streamSpecs, resolved.subjectPrefix),
    indexRoute: createRouter(indexSpecs, resolved.subjectPrefix),
  }

  const tableOf = (name: string) => `${names.prefix}_${name}`
  const watch = createWatch(resolved, {
    ask: () => use(session => session.query({ text: 'select 1', values: [] })),
    pool: () => connector.current()?.db.pool?.() ?? null,
    subscriptions: () => subscriptions.count(),
    tables: {
      stream: subject => tableOf(routes.streamRoute(subject).spec.table),
      index: key => tableOf(routes.indexRoute(key).spec.table),
      kv: () => tableOf('kv'),
      transaction: () => undefined,
    },
  })
  const database = { ...resolved, ...access, onConnectionLost: watch.connectionLost }
  const connector = createConnector<Prepared>(database, async (db, signal) => {
    const schema = await schemaOf(db, names, { ...database, signal })
    const tables = createStreamTables(db, names, {
      create: resolved.autoMigrate, max: resolved.maxStreamTables, logger: resolved.logger,
    })
    return { tables, info: await describeStore(db, names, schema) }
  })
  const explain = (db: Db, error: unknown) => explainGone(db, names, error).catch(error => explainRefused(db, names, error))
  const run: Scope['use'] = work => connector.use(({ db, value }) =>
    work(db, value.tables).catch(error => explain(db, error)))
  const use: Scope['use'] = work => connector.call(() => run(work))
  const room = () => connector.current()?.db.room?.()
  // A call is looked at where it is made: in the queue it would stand behind others, and be sent by any of them.
  const gate: Gate = {
    enter() {
      connector.current()?.db.requireOutside?.()
      connector.enter()
    },
    leave: connector.leave,
  }
  const batched = (batching: Batching) => countedBatcher(run, gate, watch.metrics.counts.batching, batching, room)
  const unbatched = (): Queue => {
    const { inOrder } = createBatcher(run, gate, ROWS, room)
    return { inOrder, send: sendInOrder(inOrder) }
  }
  // Each tier has a queue of its own: calls of different tiers have no order to keep.
  const scopeOf = (): Scope => resolved.batching
    ? { ...routes, use, ...batched(ROWS), sendRead: batched(PAGES).send }
    : { ...routes, use, ...unbatched(), sendRead: sendAlone(use) }

  const stream = createStreamSurface({ ...scopeOf(), appended: subject => announce(subject) })
  const reader = createGlobalReader({ context, use }, createSelect(streamSpecs, resolved.subjectPrefix))
  const notifier = createNotifier(
    // Where there is one connection, whoever could listen is this process, which wakes itself.
    () => connector.use(async ({ db }) => db.flags.shared ? db.query(notifyReaders(context)) : undefined),
    resolved.logger,
  )
  const subscriptions = createSubscriptions({
    ...resolved, read: stream.read, reader, onHistoryChange: watch.historyChanged, listen: resolved.notify ? startListening(connector, context, resolved.logger) : () => async () => {},
  })
  const announce = (subject: string) => {
    subscriptions.wake(subject)
    if (resolved.notify) notifier.changed()
  }
  // Calls that wait for code of the caller's: `close` would wait for both.
  const [transactions, joined] = [{}, {}]
  const requireOutside = (call: string) => {
    if (isInside(transactions)) throw new StoreError('INVALID_CALL', `${call} inside transaction() would wait for itself: call it when the transaction has ended`)
  }
  let closing: Promise<void> | undefined
  const shutDown = async () => {
    watch.stop()
    stopSweep()
    retention.stop()
    await subscriptions.close()
    await notifier.close()
    await connector.current()?.value.tables.stop()
    await connector.close()
  }
  const isStarted = () => connector.current() !== undefined
  const stopSweep = startSweep(context, createTurns(use, names, 'sweep'), {
    interval: resolved.sweepInterval, isStarted, onEnd: watch.swept,
  })
  const retention = createRetention({
    context, takeTurn: createTurns(use, names, 'retention'), specs: streamSpecs, subjectPrefix: resolved.subjectPrefix,
    rules, interval: resolved.retentionInterval, isStarted, onEnd: watch.retained,
  })

  const surfaces = watch.surfaces({
    stream: { ...stream, subscribe: subscriptions.subscribe, readAll: (options?: ReadAllOptions) => readAll(reader, options, resolved.logger) },
    index: createIndexSurface(scopeOf()),
    kv: createKvSurface(scopeOf()),
  })

  return {
    ...surfaces,
    stream: withTypedViews(surfaces.stream),
    admin: createAdmin({
      connector, database, names, metrics: watch.metrics, retention: { run: options => connector.call(() => retention.run(options)) }, requireOutside, on: watch.on,
    }),
    ready: async () => (await connector.start()).value.info,
    async transaction(work, given) {
      checkFunction('work', work)
      const { isolation, retries } = checkTransactionOptions(given)
      return watch.call('transaction', place => connector.call(() => connector.use(async ({ db, value }) => {
        const appended = new Set<string>()
        const attempt = () => db.atomic((session) => {
          appended.clear()
          place.restart()
          const tiers = transactionTiers({ ...routes, appended: subject => appended.add(subject) }, call => call(session, value.tables))
          const calls = createTransactionCalls()
          return calls.during(() => work(calls.on(flattened(watch.surfaces(tiers, place)))))
        }, { isolation })
        const result = await runInside(transactions, () => withRetries(retries, attempt)).catch(error => explain(db, error))
        appended.forEach(announce)
        await value.tables.afterTransaction()
        return result
      })))
    },
    with(client) {
      const session = joinClient(client)
      const tiers = transactionTiers(routes, work => connector.call(() => connector.use(({ value }) => runInside(joined, () => work(session, value.tables)))))
      return flattened(watch.surfaces(tiers))
    },
    releaseIdle: connector.rest,
    async close() {
      requireOutside('close()')
      if (isInside(joined)) throw new StoreError('INVALID_CALL', 'close() inside query() of the client given to with() would wait for itself: call it when that has resolved')
      if (routes.progress.isInside()) throw new StoreError('INVALID_CALL', 'close() inside an onProgress would wait for itself: call it when appendMany() has resolved')
      connector.current()?.db.requireNotConnecting?.()
      releaseCallback()
      connector.refuse()
      await (closing ??= shutDown())
    },
  }
}

/** Listens for wakes of other processes; what is missed meanwhile is found by polling. */
const startListening = (connector: Connector<Prepared>, { names }: StatementContext, logger: Logger) => (onWake: () => void) => {
  const listening = connector.use(({ db }) => db.listen(orderKey(names).channel, onWake, onWake)).catch((error: unknown) => {
    logger.warn(`subscriptions poll for new events, since listening failed: ${messageOf(error)}`)
  })
  return async () => (await listening)?.()
}
