import { createAdmin } from './admin/api'
import { createAggregates } from './aggregates/aggregates'
import { directScope } from './batch/tierScope'
import type { TierScope } from './batch/tierScope'
import { createConsumers } from './consumers/consumers'
import { handledUpTo } from './consumers/handledSql'
import { letterExpiry } from './consumers/deadLetters'
import type { DbOptions } from './db/types'
import { createDedupe } from './dedupe/once'
import { createIndexApi } from './entries/api'
import { createJobLock } from './jobs/jobLock'
import { createRetention } from './jobs/retention/run'
import { createSweep } from './jobs/sweep'
import { createKvApi } from './kv/api'
import { createLeases } from './leases/leases'
import { createNotifier } from './log/notifier'
import { readAll } from './log/readAll'
import { createGlobalReader } from './log/reader'
import { createWakes } from './log/wakes'
import { releaseCallback } from './log/subscriptions/follower'
import { createSubscriptions } from './log/subscriptions/subscribe'
import type { ReadAllOptions } from './log/types'
import { createWatch } from './observability/watch'
import { resolveOptions } from './options/resolve'
import type { StoreOptions } from './options/types'
import { createOutboxWriter } from './outbox/enqueue'
import { createProjections } from './projections/projections'
import { createOutbox } from './relay/relay'
import { createRules } from './rules/api'
import type { Capability } from './shared/types'
import { StoreError } from './shared/errors'
import { namesOf } from './shared/identifier'
import { notifyReaders } from './sql/order'
import { createStatementCache } from './sql/statement'
import { createStreamOperations } from './stream/api'
import { streamSpecs } from './tables/builtin'
import { createSelect } from './tables/select'
import { createLosses } from './transaction/losses'
import { createTransactions } from './transaction/transactions'
import { callsOn, connectorOf, listening, routesOf, scopes } from './storeParts'
import type { Store } from './types'
import { withTypedViews } from './typed/view'

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
  const select = createSelect(streamSpecs, resolved.subjectPrefix)
  const capabilities: Capability[] = []
  const register = <C extends Capability>(capability: C): C => {
    capabilities.push(capability)
    return capability
  }
  const onAppend = (subject: string) => capabilities.forEach(capability => capability.onAppend?.(subject))

  // Connection
  const database = { ...resolved, ...access }
  const connector = connectorOf(database, names)
  const losses = createLosses()
  const { run, use, explain } = callsOn(connector, names, losses)
  const { routes, inline } = routesOf(resolved, { context, use, select })
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
      dedupe: () => tableOf('dedupe'),
      rules: () => tableOf('rules'),
      outbox: () => tableOf('events'),
      transaction: () => undefined,
    },
  })
  connector.onConnectionLost((error) => {
    // The server may be another one now.
    inline.hook.forget()
    watch.connectionLost(error)
  })

  // Tiers
  const scopeOf = scopes(connector, { context, use }, run, resolved.batching ? watch.metrics.counts.batching : undefined)
  const stream = createStreamOperations({ ...routes, ...scopeOf(), appended: onAppend })
  const index = createIndexApi({ ...routes, ...scopeOf() })
  const kv = createKvApi(scopeOf())
  const transactions = createTransactions({ routes, connector, observer: watch, explain, losses, onAppend })
  const dedupe = createDedupe(scopeOf(), transactions.within)

  // Log
  const reader = createGlobalReader({ context, use }, select)
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
    stream: { ...stream, subscribe: subscriptions.subscribe, readAll: (options?: ReadAllOptions) => readAll(reader, options, logger) }, index, kv, dedupe, rules: createRules({ ...routes, use }),
  })

  // Jobs
  register(createSweep(context, createJobLock(use, names, 'sweep'), { interval: resolved.sweepInterval, isStarted, onEnd: watch.swept }))
  const retention = register(createRetention({
    context, tryExclusively: createJobLock(use, names, 'retention'), specs: streamSpecs, subjectPrefix: resolved.subjectPrefix,
    rules: resolved.retention, interval: resolved.retentionInterval, isStarted,
    onEnd: watch.retained, expire: letterExpiry(context, resolved.deadLetterMaxAge),
  }))
  // Consumers
  const parts = { context, use: run, call: use, within: transactions.within, reader, read: stream.read, logger, listen, watch: watch.consumers, handlers: {}, isLoss: losses.isLoss }
  const consumers = register(createConsumers(parts))
  watch.metrics.gauges.consumers = consumers.gauges
  const outbox = createOutbox({ ...resolved, parts, select, register: consumers.register, writer: createOutboxWriter(apis.stream.append, resolved.subjectPrefix) })
  const readerOn = (use: TierScope['use']) => createGlobalReader({ context, use }, select)
  const projections = register(createProjections({ ...parts, inline, readerOn, register: consumers.register, connections: () => connector.current()?.db.room?.()?.most }))
  const leases = createLeases({
    ...parts,
    readerOn,
    readOn: use => createStreamOperations({ ...routes, ...directScope(context, use), appended: onAppend }).read,
  })
  const aggregates = createAggregates({
    context, logger, streamRoute: routes.streamRoute, handledUpTo, within: transactions.within, transaction: transactions.transaction,
    scope: scopeOf(), stream: apis.stream,
  })
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
      retention: { run: options => connector.call(() => retention.run(options)) }, consumers: consumers.admin, conditions: consumers.conditions,
    }),
    ready: async () => (await connector.start()).value.info,
    transaction: transactions.transaction,
    with: transactions.with,
    ...consumers.apis,
    ...aggregates,
    leases,
    outbox,
    ...projections.apis,
    releaseIdle: connector.releaseIdle,
    async close() {
      consumers.requireClosable()
      transactions.requireClosable()
      if (routes.progress.isInside()) throw new StoreError('INVALID_CALL', 'close() inside an onProgress callback would wait for itself: call it when appendMany() has resolved')
      connector.current()?.db.requireNotConnecting?.()
      releaseCallback()
      connector.refuse()
      await (closing ??= shutDown())
    },
  }
}
