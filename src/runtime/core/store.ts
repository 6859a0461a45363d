import { createAdmin } from './admin/admin'
import { createWatch } from './admin/watch'
import type { Gate } from './batch/batcher'
import { createBatcher } from './batch/batcher'
import type { Send } from './batch/operation'
import { createConnector, migrationDatabase, onDatabase } from './db/connect'
import type { Connector } from './db/connect'
import { joinClient } from './db/client'
import type { Db, DbOptions, Row, StreamTables } from './db/types'
import { checkFunction, checkText } from './arguments'
import { invalidValue, messageOf } from './errors'
import { createRetention } from './features/retention/run'
import { createStreamTables } from './features/streamTables'
import { createNotifier } from './features/notify'
import { readAll } from './features/readAll'
import { createSubscriptions } from './features/subscribe'
import { startSweep } from './features/sweep'
import { checkTransactionOptions, withRetries } from './features/transaction'
import { createTurns } from './features/turn'
import { explainGone } from './migrate/gone'
import { withTypedViews } from './features/typed/view'
import type { SchemaState } from './migrate/run'
import { migrate, requireCurrent } from './migrate/run'
import type { Logger, StoreOptions } from './options'
import { resolveOptions } from './options'
import { indexSpecs, streamSpecs } from './spec/builtin'
import { createRouter } from './spec/route'
import { createSelect } from './spec/select'
import type { Names } from './sql/identifier'
import { namesOf } from './sql/identifier'
import { orderKey } from './sql/order'
import { createStatementCache } from './sql/statement'
import type { StatementContext } from './statements/context'
import { notifyReaders } from './statements/order'
import { createGlobalReader } from './surfaces/global'
import { createIndexSurface } from './surfaces/index'
import { createKvSurface } from './surfaces/kv'
import type { Scope } from './surfaces/scope'
import { createStreamSurface } from './surfaces/stream'
import type { ReadAllOptions, Store, StoreInfo, StoreMetrics, TransactionSurfaces } from './types/index'

/** The surfaces of a transaction, by the tier that its calls are named after. */
interface TransactionTiers extends Omit<TransactionSurfaces, 'stream' | 'query'> {
  stream: Omit<TransactionSurfaces['stream'], 'of'>
  transaction: Pick<TransactionSurfaces, 'query'>
}

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
export function createStore(options: StoreOptions): Store {
  const resolved = resolveOptions(options)
  const names = namesOf(resolved.schema, resolved.prefix)
  const context = { names, cache: createStatementCache(resolved.prepare), tenant: '' }
  const routes = {
    context,
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
  const database = { ...resolved, onConnectionLost: watch.connectionLost }
  const connector = createConnector<Prepared>(database, async (db) => {
    const schema = await schemaOf(db, names, database)
    const tables = createStreamTables(db, names, {
      create: resolved.autoMigrate, max: resolved.maxStreamTables, logger: resolved.logger,
    })
    return { tables, info: await describe(db, names, schema) }
  })
  const run: Scope['use'] = work => connector.use(({ db, value }) =>
    work(db, value.tables).catch(error => explainGone(db, names, error)))
  const use: Scope['use'] = work => connector.call(() => run(work))
  // Each tier has a queue of its own: calls of different tiers have no order to keep.
  const scopeOf = (): Scope => ({ ...routes, use, send: resolved.batching ? countedBatcher(run, connector, watch.metrics.counts.batching) : sendAlone(use) })

  const stream = createStreamSurface({ ...scopeOf(), appended: subject => announce(subject) })
  const reader = createGlobalReader({ context, use }, createSelect(streamSpecs, resolved.subjectPrefix))
  const notifier = createNotifier(
    // Where there is one connection, whoever could listen is this process, which wakes itself.
    () => connector.use(async ({ db }) => db.flags.shared ? db.query(notifyReaders(context)) : undefined),
    resolved.logger,
  )
  const subscriptions = createSubscriptions({
    ...resolved, read: stream.read, reader, listen: resolved.notify ? startListening(connector, context, resolved.logger) : () => async () => {},
  })
  const announce = (subject: string) => {
    subscriptions.wake(subject)
    if (resolved.notify) notifier.changed()
  }
  const isStarted = () => connector.current() !== undefined
  const stopSweep = startSweep(context, createTurns(use, names, 'sweep'), {
    interval: resolved.sweepInterval, isStarted, onEnd: watch.swept,
  })
  const retention = createRetention({
    context, takeTurn: createTurns(use, names, 'retention'), specs: streamSpecs, subjectPrefix: resolved.subjectPrefix,
    rules: resolved.retention, interval: resolved.retentionInterval, isStarted, onEnd: watch.retained,
  })

  const surfaces = watch.surfaces({
    stream: { ...stream, subscribe: subscriptions.subscribe, readAll: (options?: ReadAllOptions) => readAll(reader, options) },
    index: createIndexSurface(scopeOf()),
    kv: createKvSurface(scopeOf()),
  })

  return {
    ...surfaces,
    stream: withTypedViews(surfaces.stream),
    admin: createAdmin({ connector, database, names, metrics: watch.metrics, retention: { run: retention.run }, on: watch.on }),
    ready: async () => (await connector.start()).value.info,
    async transaction(work, given) {
      checkFunction('work', work)
      const { isolation, retries } = checkTransactionOptions(given)
      return watch.call('transaction', place => connector.call(() => connector.use(async ({ db, value }) => {
        const appended = new Set<string>()
        const attempt = () => db.atomic((session) => {
          appended.clear()
          place.restart()
          const tiers = transactionTiers({ ...routes, appended: subject => appended.add(subject) }, use => use(session, value.tables))
          return work(flattened(watch.surfaces(tiers, place)))
        }, { isolation })
        const result = await withRetries(retries, attempt).catch(error => explainGone(db, names, error))
        appended.forEach(announce)
        await value.tables.afterTransaction()
        return result
      })))
    },
    with(client) {
      const session = joinClient(client)
      const tiers = transactionTiers(routes, work => connector.call(() => connector.use(({ value }) => work(session, value.tables))))
      return flattened(watch.surfaces(tiers))
    },
    releaseIdle: connector.rest,
    async close() {
      watch.stop()
      stopSweep()
      retention.stop()
      await subscriptions.close()
      await notifier.close()
      await connector.close()
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

const sendAlone = (use: Scope['use']): Send => (operation, { input }) =>
  use((session, tables) => operation.one(session, tables, input))

function countedBatcher(use: Scope['use'], gate: Gate, counts: StoreMetrics['batching']): Send {
  const send = createBatcher((work) => {
    counts.statements++
    return use(work)
  }, gate)
  return (operation, call) => {
    counts.calls++
    return send(operation, call)
  }
}

function transactionTiers(routes: Omit<Scope, 'use' | 'send'>, use: Scope['use']): TransactionTiers {
  const scope: Scope = { ...routes, use, send: sendAlone(use) }
  return {
    stream: withTypedViews(createStreamSurface(scope)),
    index: createIndexSurface(scope),
    kv: createKvSurface(scope),
    transaction: {
      async query<R extends Row>(text: string, values: unknown[] = []) {
        checkText('text', text, Number.MAX_SAFE_INTEGER)
        if (!Array.isArray(values)) throw invalidValue('values', 'must be an array, one value for each of $1, $2 …')
        const { rows, count } = await use(session => session.raw(text, values))
        return { rows: rows as R[], rowCount: count }
      },
    },
  }
}

const flattened = ({ transaction, stream, ...surfaces }: TransactionTiers): TransactionSurfaces =>
  ({ ...surfaces, ...transaction, stream: withTypedViews(stream) })

/** Brings the schema up to date, over connections of its own where there are some for it. */
async function schemaOf(db: Db, names: Names, options: DbOptions): Promise<SchemaState> {
  if (!options.autoMigrate) return requireCurrent(db, names)
  const bring = (on: Db) => migrate(on, names, undefined, { subjectPrefix: options.subjectPrefix })
  const elsewhere = migrationDatabase(options)
  return elsewhere ? onDatabase(elsewhere, bring) : bring(db)
}

async function describe(
  db: Db, names: { schema: string, prefix: string }, schema: { version: number, applied: number },
): Promise<StoreInfo> {
  const { rows: [server] } = await db.query<{ version: string }>({ text: 'select current_setting(\'server_version\') as version', values: [] })
  return {
    driver: db.driver,
    database: db.label,
    schema: names.schema,
    prefix: names.prefix,
    schemaVersion: schema.version,
    applied: schema.applied,
    serverVersion: server!.version,
  }
}
