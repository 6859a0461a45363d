import { createBatcher } from './batch/batcher'
import type { Batching, Gate } from './batch/batching'
import { PAGES, ROWS } from './batch/batching'
import type { Queue } from './batch/operation'
import { sendAlone, sendInOrder } from './batch/tierScope'
import type { TierScope } from './batch/tierScope'
import { createConnector } from './db/connect'
import type { Connector } from './db/connect'
import type { Db, DbOptions, StreamTables } from './db/types'
import { countedBatcher } from './observability/countedBatcher'
import type { StoreMetrics } from './observability/types'
import type { ResolvedStoreOptions } from './options/resolve'
import { createStreamTables } from './partitions/streamTables'
import { createInline } from './projections/inline'
import type { Inline } from './projections/inline'
import { explainGone } from './schema/gone'
import { explainRefused } from './schema/rights'
import { describeStore, schemaOf } from './schema/start'
import type { StoreInfo } from './schema/types'
import type { Logger } from './shared/types'
import { messageOf } from './shared/errors'
import type { Names } from './shared/identifier'
import type { Losses } from './transaction/losses'
import { orderKey } from './sql/order'
import { createProgress } from './stream/append/progress'
import { indexSpecs, streamSpecs } from './tables/builtin'
import { createRouter } from './tables/route'
import type { Select } from './tables/select'
import { joinTransaction } from './transaction/joined'
import type { TransactionRoutes } from './transaction/tiers'

/** What the start of the store prepares, besides the connection. */
interface Prepared {
  info: StoreInfo
  tables: StreamTables
}

export function connectorOf(database: ResolvedStoreOptions & DbOptions, names: Names): Connector<Prepared> {
  return createConnector(database, async (db, { signal, onConnectionLost }) => {
    const schema = await schemaOf(db, names, { ...database, signal, onConnectionLost })
    const tables = createStreamTables(db, names, {
      create: database.autoMigrate, max: database.maxStreamTables, logger: database.logger,
    })
    return { tables, info: await describeStore(db, names, schema) }
  })
}

/** Runs work once the store is ready; `use` also counts it as a call, for which `close` waits. */
export function callsOn(connector: Connector<Prepared>, names: Names, losses: Losses) {
  const explain = (db: Db, error: unknown) => explainGone(db, names, error).catch(error => explainRefused(db, names, error))
  const run: TierScope['use'] = work => connector.use(({ db, value }) =>
    work(db, value.tables).catch(losses.note).catch(error => explain(db, error)))
  const use: TierScope['use'] = work => connector.call(() => run(work))
  return { explain, run, use }
}

/** What the APIs of the store and those of its transactions share. */
export function routesOf({ subjectPrefix }: ResolvedStoreOptions, { context, use, select }: Pick<TierScope, 'context' | 'use'> & { select: Select }): { routes: TransactionRoutes, inline: Inline } {
  // Handlers of inline projections get the APIs of the transaction that an append has open.
  const inline = createInline({ context, use, join: (session, tables, work) => joinTransaction(routes, session, tables, work) })
  const routes: TransactionRoutes = {
    context,
    subjectPrefix,
    progress: createProgress(),
    hook: inline.hook,
    streamTables: select().map(({ spec: { table }, subject }) => ({ table, subject })),
    streamRoute: createRouter(streamSpecs, subjectPrefix),
    indexRoute: createRouter(indexSpecs, subjectPrefix),
  }
  return { routes, inline }
}

/**
 * Makes the scope of an API. Each API has its own queue, as no order is kept between calls of different APIs. With
 * `counts`, calls share statements and are counted there.
 */
export function scopes(connector: Connector<Prepared>, base: Pick<TierScope, 'context' | 'use'>, run: TierScope['use'], counts: StoreMetrics['batching'] | undefined): () => TierScope {
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
export const listening = (connector: Connector<Prepared>, names: Names, logger: Logger) => (onWake: () => void) => {
  const started = connector.use(({ db }) => db.listen(orderKey(names).channel, onWake, onWake)).catch((error: unknown) => {
    logger.warn(`subscriptions poll for new events, since listening failed: ${messageOf(error)}`)
  })
  return async () => (await started)?.()
}
