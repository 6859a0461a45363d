import { createBatcher } from './batch/batcher'
import type { Send } from './batch/operation'
import { createConnector } from './db/connect'
import type { Connector } from './db/connect'
import { joinClient } from './db/client'
import type { Db, Row, StreamTables } from './db/types'
import { checkFunction, checkText } from './arguments'
import { invalidValue, messageOf } from './errors'
import { createStreamTables } from './features/streamTables'
import { createNotifier } from './features/notify'
import { readAll } from './features/readAll'
import { createSubscriptions } from './features/subscribe'
import { startSweep } from './features/sweep'
import { checkTransactionOptions, withRetries } from './features/transaction'
import { explainGone } from './migrate/gone'
import { migrate, requireCurrent } from './migrate/run'
import type { Logger, StoreOptions } from './options'
import { resolveOptions } from './options'
import { indexSpecs, streamSpecs } from './spec/builtin'
import { createRouter } from './spec/route'
import { createSelect } from './spec/select'
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
import type { Store, StoreInfo, TransactionSurfaces } from './types/index'

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

  const connector = createConnector<Prepared>(resolved, async (db) => {
    const schema = resolved.autoMigrate ? await migrate(db, names, undefined, { subjectPrefix: resolved.subjectPrefix }) : await requireCurrent(db, names)
    const tables = createStreamTables(db, names, {
      create: resolved.autoMigrate, max: resolved.maxStreamTables, logger: resolved.logger,
    })
    return { tables, info: await describe(db, names, schema) }
  })
  const run: Scope['use'] = work => connector.use(({ db, value }) =>
    work(db, value.tables).catch(error => explainGone(db, names, error)))
  const use: Scope['use'] = work => connector.call(() => run(work))
  // Each tier has a queue of its own: calls of different tiers have no order to keep.
  const scopeOf = (): Scope => ({ ...routes, use, send: resolved.batching ? createBatcher(run, connector) : sendAlone(use) })

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
  const stopSweep = startSweep(context, use, resolved)

  return {
    stream: { ...stream, subscribe: subscriptions.subscribe, readAll: options => readAll(reader, options) },
    index: createIndexSurface(scopeOf()),
    kv: createKvSurface(scopeOf()),
    ready: async () => (await connector.start()).value.info,
    async transaction(work, given) {
      checkFunction('work', work)
      const { isolation, retries } = checkTransactionOptions(given)
      return connector.call(() => connector.use(async ({ db, value }) => {
        const appended = new Set<string>()
        const attempt = () => db.atomic((session) => {
          appended.clear()
          return work(transactionSurfaces({ ...routes, appended: subject => appended.add(subject) }, use => use(session, value.tables)))
        }, isolation)
        const result = await withRetries(retries, attempt).catch(error => explainGone(db, names, error))
        appended.forEach(announce)
        await value.tables.afterTransaction()
        return result
      }))
    },
    with(client) {
      const session = joinClient(client)
      return transactionSurfaces(routes, work => connector.call(() => connector.use(({ value }) => work(session, value.tables))))
    },
    async close() {
      stopSweep()
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

function transactionSurfaces(routes: Omit<Scope, 'use' | 'send'>, use: Scope['use']): TransactionSurfaces {
  const scope: Scope = { ...routes, use, send: sendAlone(use) }
  return {
    stream: createStreamSurface(scope),
    index: createIndexSurface(scope),
    kv: createKvSurface(scope),
    async query<R extends Row>(text: string, values: unknown[] = []) {
      checkText('text', text, Number.MAX_SAFE_INTEGER)
      if (!Array.isArray(values)) throw invalidValue('values', 'must be an array, one value for each of $1, $2 …')
      const { rows, count } = await use(session => session.raw(text, values))
      return { rows: rows as R[], rowCount: count }
    },
  }
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
