import { createAdmin } from './admin/api'
import { createBatcher } from './batch/batcher'
import type { Batching, Gate } from './batch/batching'
import { PAGES, ROWS } from './batch/batching'
import type { Queue } from './batch/operation'
import { sendAlone, sendInOrder } from './batch/tierScope'
import type { TierScope } from './batch/tierScope'
import { createConsumers } from './consumers/consumers'
import { letterExpiry } from './consumers/deadLetters'
import { createConnector } from './db/connect'
import type { Connector } from './db/connect'
import type { Db, DbOptions, StreamTables } from './db/types'
import { createIndexApi } from './entries/api'
import { createJobLock } from './jobs/jobLock'
import { createRetention } from './jobs/retention/run'
import { createSweep } from './jobs/sweep'
import { createKvApi } from './kv/api'
import { createNotifier } from './log/notifier'
import { readAll } from './log/readAll'
import { createGlobalReader } from './log/reader'
import { createWakes } from './log/wakes'
import { releaseCallback } from './log/subscriptions/follower'
import { createSubscriptions } from './log/subscriptions/subscribe'
import type { ReadAllOptions } from './log/types'
import { countedBatcher } from './observability/countedBatcher'
import { createWatch } from './observability/watch'
import type { StoreMetrics } from './observability/types'
import type { ResolvedStoreOptions } from './options/resolve'
import { resolveOptions } from './options/resolve'
import type { StoreOptions } from './options/types'
import { createStreamTables } from './partitions/streamTables'
import { explainGone } from './schema/gone'
import { explainRefused } from './schema/rights'
import { describeStore, schemaOf } from './schema/start'
import type { StoreInfo } from './schema/types'
import type { Capability, Logger } from './shared/types'
import { StoreError, messageOf } from './shared/errors'
import { namesOf } from './shared/identifier'
import type { Names } from './shared/identifier'
import { notifyReaders, orderKey } from './sql/order'
import { createStatementCache } from './sql/statement'
import { createStreamOperations } from './stream/api'
import { createProgress } from './stream/append/progress'
import { indexSpecs, streamSpecs } from './tables/builtin'
import { createRouter } from './tables/route'
import { createSelect } from './tables/select'
import { createTransactions } from './transaction/transactions'
import type { Store } from './types'
import { withTypedViews } from './typed/view'

/** What the start of the store prepares, besides the connection. */
interface Prepared {
  info: StoreInfo
  tables: StreamTables
}

/**
 * Creates a store. It connects and migrates at the first call (or `ready()`); every call waits for that.
 * @throws {StoreError} INVALID_OPTION synchronously, when an option is invalid
 * @example
 * const store = createStore({ connection: 'postgres://localhost/app' })
 * await store.kv.set('greeting', 'hello', 60)
 */
export const createStore = (options: StoreOptions): Store => createStoreOn(options)

/** The same with two internal options: `onlyLook` of the command line, and `onWait` of the Nitro plugin. */
export function createStoreOn(options: StoreOptions, access: Pick<DbOptions, 'onlyLook' | 'onWait'> = {}): Store {
  const resolved = resolveOptions(options)
  const { logger } = resolved
  const names = namesOf(resolved.schema, resolved.prefix)
  const context = { names, cache: createStatementCache(resolved.prepare), tenant: '' }
  const routes = {
    context,
    progress: createProgress(),
    streamTables: streamSpecs.map(spec => spec.table),
    streamRoute: createRouter(streamSpecs, resolved.subjectPrefix),
    indexRoute: createRouter(indexSpecs, resolved.subjectPrefix),
  }
  const capabilities: Capability[] = []
  const register = <C extends Capability>(capability: C): C => {
    capabilities.push(capability)
    return capability
  }
  const onAppend = (subject: string) => capabilities.forEach(capability => capability.onAppend?.(subject))

  // Connection
  const database = { ...resolved, ...access }
  const connector = connectorOf(database, names)
  const { run, use, explain } = callsOn(connector, names)
  const isStarted = () => connector.current() !== undefined
  register({ stop: () => connector.current()?.value.tables.stop() })

  // Observer
  const tableOf = (name: string) => `${names.prefix}_${name}`
  const watch = createWatch(resolved, {
    ask: () => use(session => session.query({ text: 'select 1', values: [] })),
    pool: () => connector.current()?.db.pool?.() ?? null,
    tables: {
      stream: subject => tableOf(routes.streamRoute(subject).spec.table),
      index: key => tableOf(routes.indexRoute(key).spec.table),
      kv: () => tableOf('kv'),
      transaction: () => undefined,
    },
  })
  connector.onConnectionLost(watch.connectionLost)

  // Tiers
  const scopeOf = scopes(connector, { context, use }, run, resolved.batching ? watch.metrics.counts.batching : undefined)
  const stream = createStreamOperations({ ...routes, ...scopeOf(), appended: onAppend })
  const index = createIndexApi({ ...routes, ...scopeOf() })
  const kv = createKvApi(scopeOf())
  const transactions = createTransactions({ routes, connector, observer: watch, explain, onAppend })

  // Log
  const reader = createGlobalReader({ context, use }, createSelect(streamSpecs, resolved.subjectPrefix))
  if (resolved.notify) {
    // On PGlite this process is the only one, and its own appends wake its subscriptions without NOTIFY.
    const notify = () => connector.use(async ({ db }) => db.flags.shared ? db.query(notifyReaders(context)) : undefined)
    register(createNotifier(notify, logger))
  }
  const listen = resolved.notify ? createWakes(listening(connector, names, logger)) : () => async () => {}
  const subscriptions = register(createSubscriptions({
    ...resolved, read: stream.read, reader, onHistoryChange: watch.historyChanged, listen,
  }))
  watch.metrics.gauges.subscriptions = subscriptions.count
  const apis = watch.apis({
    stream: { ...stream, subscribe: subscriptions.subscribe, readAll: (options?: ReadAllOptions) => readAll(reader, options, logger) }, index, kv,
  })

  // Jobs
  register(createSweep(context, createJobLock(use, names, 'sweep'), { interval: resolved.sweepInterval, isStarted, onEnd: watch.swept }))
  const retention = register(createRetention({
    context, tryExclusively: createJobLock(use, names, 'retention'), specs: streamSpecs, subjectPrefix: resolved.subjectPrefix,
    rules: resolved.retention, interval: resolved.retentionInterval, isStarted,
    onEnd: watch.retained, expire: letterExpiry(context, resolved.deadLetterMaxAge),
  }))
  // Consumers
  const consumers = register(createConsumers({ context, use: run, call: use, within: transactions.within, reader, read: stream.read, logger, listen }))
  for (const capability of capabilities) capability.start?.()

  let closing: Promise<void> | undefined
  const shutDown = async () => {
    watch.stop()
    for (const capability of capabilities.toReversed()) await capability.stop()
    await connector.close()
  }
  return {
    ...apis,
    stream: withTypedViews(apis.stream),
    admin: createAdmin({
      connector, database: { ...database, onConnectionLost: watch.connectionLost }, names, metrics: watch.metrics, on: watch.on, requireOutside: transactions.requireOutside,
      retention: { run: options => connector.call(() => retention.run(options)) }, consumers: consumers.admin,
    }),
    ready: async () => (await connector.start()).value.info,
    transaction: transactions.transaction,
    with: transactions.with,
    ...consumers.apis,
    releaseIdle: connector.releaseIdle,
    async close() {
      transactions.requireClosable()
      if (routes.progress.isInside()) throw new StoreError('INVALID_CALL', 'close() inside an onProgress callback would wait for itself: call it when appendMany() has resolved')
      connector.current()?.db.requireNotConnecting?.()
      releaseCallback()
      connector.refuse()
      await (closing ??= shutDown())
    },
  }
}

function connectorOf(database: ResolvedStoreOptions & DbOptions, names: Names): Connector<Prepared> {
  return createConnector(database, async (db, { signal, onConnectionLost }) => {
    const schema = await schemaOf(db, names, { ...database, signal, onConnectionLost })
    const tables = createStreamTables(db, names, {
      create: database.autoMigrate, max: database.maxStreamTables, logger: database.logger,
    })
    return { tables, info: await describeStore(db, names, schema) }
  })
}

/** Runs work once the store is ready; `use` also counts it as a call, for which `close` waits. */
function callsOn(connector: Connector<Prepared>, names: Names) {
  const explain = (db: Db, error: unknown) => explainGone(db, names, error).catch(error => explainRefused(db, names, error))
  const run: TierScope['use'] = work => connector.use(({ db, value }) =>
    work(db, value.tables).catch(error => explain(db, error)))
  const use: TierScope['use'] = work => connector.call(() => run(work))
  return { explain, run, use }
}

/**
 * Makes the scope of an API. Each API has its own queue, as no order is kept between calls of different APIs. With
 * `counts`, calls share statements and are counted there.
 */
function scopes(connector: Connector<Prepared>, base: Pick<TierScope, 'context' | 'use'>, run: TierScope['use'], counts: StoreMetrics['batching'] | undefined): () => TierScope {
  const room = () => connector.current()?.db.room?.()
  // A call is checked when it is made, in the caller's async context: a queued call may be sent in that of another call.
  const gate: Gate = {
    enter() {
      connector.current()?.db.requireOutside?.()
      connector.enter()
    },
    leave: connector.leave,
  }
  if (!counts) {
    return () => {
      const { inOrder } = createBatcher(run, gate, ROWS, room)
      return { ...base, inOrder, send: sendInOrder(inOrder), sendRead: sendAlone(base.use) }
    }
  }
  const queue = (kind: Batching): Queue => countedBatcher(run, gate, counts, kind, room)
  return () => ({ ...base, ...queue(ROWS), sendRead: queue(PAGES).send })
}

/** Listens for notifications of other processes; events whose notification is lost are found by polling. */
const listening = (connector: Connector<Prepared>, names: Names, logger: Logger) => (onWake: () => void) => {
  const started = connector.use(({ db }) => db.listen(orderKey(names).channel, onWake, onWake)).catch((error: unknown) => {
    logger.warn(`subscriptions poll for new events, since listening failed: ${messageOf(error)}`)
  })
  return async () => (await started)?.()
}
