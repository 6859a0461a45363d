import { createBatcher } from './batch/batcher'
import type { Send } from './batch/batcher'
import { createConnector, onConnection } from './db/connect'
import type { Db, Row, Session, StreamTables } from './db/types'
import { checkFunction, checkText } from './arguments'
import { invalidValue } from './errors'
import { createStreamTables } from './features/streamTables'
import { createSubscriptions } from './features/subscribe'
import { startSweep } from './features/sweep'
import { migrate, requireCurrent } from './migrate/run'
import type { SchemaState } from './migrate/run'
import type { ResolvedStoreOptions, StoreOptions } from './options'
import { resolveOptions } from './options'
import { indexSpecs, streamSpecs } from './spec/builtin'
import { createRouter } from './spec/route'
import { namesOf } from './sql/identifier'
import type { Names } from './sql/identifier'
import { createStatementCache } from './sql/statement'
import { createIndexSurface } from './surfaces/index'
import { createKvSurface } from './surfaces/kv'
import { named, withOperation } from './surfaces/named'
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
    streamRoute: createRouter(streamSpecs, resolved.subjectPrefix),
    indexRoute: createRouter(indexSpecs, resolved.subjectPrefix),
  }

  const connector = createConnector<Prepared>(resolved, async (db) => {
    const schema = await schemaOf(db, names, resolved)
    const tables = createStreamTables(db, names, {
      create: resolved.autoMigrate, max: resolved.maxStreamTables, logger: resolved.logger,
    })
    return { tables, info: await describe(db, names, schema) }
  })
  const run: Scope['use'] = work => connector.use(({ db, value }) => work(db, value.tables))
  const use: Scope['use'] = work => connector.call(() => run(work))
  // Each tier has a queue of its own: calls of different tiers have no order to keep.
  const scopeOf = (): Scope => {
    const send = resolved.batching ? createBatcher(run) : sendAlone(run)
    return { ...routes, use, send: (operation, call) => connector.call(() => send(operation, call)) }
  }

  const stream = createStreamSurface(scopeOf())
  const subscriptions = createSubscriptions(stream.read, resolved)
  const stopSweep = startSweep(context, use, resolved)
  const append: typeof stream.append = async (subject, event) => {
    const record = await stream.append(subject, event)
    subscriptions.wake(subject)
    return record
  }

  return {
    stream: named('stream', { ...stream, append, subscribe: subscriptions.subscribe }),
    index: named('index', createIndexSurface(scopeOf())),
    kv: named('kv', createKvSurface(scopeOf())),
    ready: async () => (await connector.start()).value.info,
    async transaction(work) {
      checkFunction('work', work)
      const since = performance.now()
      return connector.call(() => connector.use(async ({ db, value }) => {
        const result = await db.atomic(session => work(transactionSurfaces(routes, session, value.tables)))
        await value.tables.afterTransaction()
        return result
      })).catch((error: unknown) => {
        throw withOperation(error, 'transaction', since)
      })
    },
    releaseIdle: connector.rest,
    async close() {
      stopSweep()
      await subscriptions.close()
      await connector.close()
    },
  }
}

const sendAlone = (use: Scope['use']): Send => (operation, { input }) =>
  use((session, tables) => operation.one(session, tables, input))

function transactionSurfaces(routes: Omit<Scope, 'use' | 'send'>, session: Session, tables: StreamTables): TransactionSurfaces {
  const use: Scope['use'] = work => work(session, tables)
  const scope: Scope = { ...routes, use, send: sendAlone(use) }
  return {
    stream: named('stream', createStreamSurface(scope)),
    index: named('index', createIndexSurface(scope)),
    kv: named('kv', createKvSurface(scope)),
    async query<R extends Row>(text: string, values: unknown[] = []) {
      checkText('text', text, Number.MAX_SAFE_INTEGER)
      if (!Array.isArray(values)) throw invalidValue('values', 'must be an array, one value for each of $1, $2 …')
      const { rows, count } = await session.raw(text, values)
      return { rows: rows as R[], rowCount: count }
    },
  }
}

/** Brings the schema up to date, over a connection of its own where there is one for it. */
async function schemaOf(db: Db, names: Names, options: ResolvedStoreOptions): Promise<SchemaState> {
  if (!options.autoMigrate) return requireCurrent(db, names)
  return options.migrationConnection === undefined
    ? migrate(db, names)
    : onConnection(options.migrationConnection, options, own => migrate(own, names))
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
