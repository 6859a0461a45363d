import pg from 'pg'
import type { Pool, PoolClient, PoolConfig, QueryConfig } from 'pg'
import { StoreError, invalidOption } from '../errors'
import type { Statement } from '../sql/statement'
import { relaxed } from './durability'
import { endIdle, endPool, trackConnections } from './end'
import { isUseless, toStoreError } from './errors'
import { listenOn } from './listen'
import { losesNames } from './pooler'
import { detectPooler } from './poolerMode'
import { textual } from './textual'
import type { AtomicOptions, Db, DbOptions, Result, Row, Session } from './types'
import { failureOf } from './waits'
import { NO_LIMIT_MS, isNameLost, stopPreparing } from './wire'
import type { Wire } from './wire'

const DEFAULT_POOL_SIZE = 10
// pg waits for ever by default: a network that swallows packets would hang every call.
const DEFAULT_CONNECTION_TIMEOUT_MS = 30_000
// Then probes go out, one a second; ten without an answer end the connection.
const KEEP_ALIVE_DELAY_MS = 10_000
// A network that swallows packets must not hold up whoever has failed already.
const ROLLBACK_TIMEOUT_MS = 5_000
// A function serves one request at a time, and stands still after it: nothing may stay open, or keep it alive.
const FROZEN_BETWEEN_REQUESTS: PoolConfig = { idleTimeoutMillis: 1_000, allowExitOnIdle: true }

/** Opens a pool of our own, or uses the caller's. Connects at the first statement. */
export function openPostgres(options: DbOptions): Db {
  return options.pool ? onPoolOf(options.pool, options) : onOwnPool(new pg.Pool(checked(poolConfig(options))), options)
}

function onOwnPool(pool: Pool, options: DbOptions): Db {
  const open = trackConnections(pool)
  // Our own pool keeps its listener: a connection may break while it is being ended.
  listenToIdle(pool, options)
  return { ...fromPool(pool, options), releaseIdle: () => endIdle(pool), close: () => endPool(pool, open) }
}

function onPoolOf(pool: Pool, options: DbOptions): Db {
  const stop = listenToIdle(pool, options)
  return { ...fromPool(pool, options), close: async () => stop() }
}

/** An idle connection that breaks (a restarted server) is replaced; unheard, its error would end the process. */
function listenToIdle(pool: Pool, { logger, onConnectionLost }: DbOptions): () => void {
  const onError = (error: Error) => {
    // One that is told goodbye may go in any way it likes.
    if (pool.ending) return
    logger.warn(`an idle database connection was lost: ${error.message}`)
    onConnectionLost?.(toStoreError(error))
  }
  pool.on('error', onError)
  return () => void pool.off('error', onError)
}

type PoolOptions = Wire & Partial<Pick<DbOptions, 'listenConnection'>>

/** A session on somebody's pool, which stays theirs: `close` does nothing. */
export function fromPool(pool: Pool, options: PoolOptions = { prepare: true, queryTimeout: 0, logger: console }): Db {
  const { prepare, queryTimeout, logger, listenConnection = pool.options } = options
  const wire: Wire = { prepare, queryTimeout, logger }
  const listening = typeof listenConnection === 'string' ? { connectionString: listenConnection } : listenConnection
  return {
    driver: 'postgres',
    flags: { connections: pool.options.max === 1 ? 'one' : 'many', shared: true },
    label: labelOf(pool),
    pool: () => ({ total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount, max: pool.options.max }),
    inTransaction: false,
    ...querying(pool, wire, queryTimeout),
    pooler: () => detectPooler(pool),
    atomic: (work, given) => inTransaction(pool, wire, work, given),
    inspect: async () => {
      if (wire.prepare && await losesNames(pool)) stopPreparing(wire)
    },
    listen: async (channel, onWake, onReconnect) => listenOn(listening, channel, { onWake, onReconnect, logger }),
    releaseIdle: async () => {},
    close: async () => {},
  }
}

function poolConfig(options: DbOptions): PoolConfig {
  const config: PoolConfig = typeof options.connection === 'string' ? { connectionString: options.connection } : { ...options.connection }
  const given = options.durability === 'relaxed' ? relaxed(config) : config
  return {
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY_MS,
    ...options.serverless && FROZEN_BETWEEN_REQUESTS,
    ...given,
    connectionTimeoutMillis: given.connectionTimeoutMillis ?? DEFAULT_CONNECTION_TIMEOUT_MS,
    max: options.poolSize ?? given.max ?? (options.serverless ? 1 : DEFAULT_POOL_SIZE),
  }
}

/** A URL that can't be parsed would only be found out by the first connection. */
function checked(config: PoolConfig): PoolConfig {
  try {
    void new pg.Client(config)
    return config
  }
  catch (error) {
    // The text may hold a password, and so may the error.
    throw invalidOption('connection', `is not a connection that pg understands (${(error as { code?: string }).code ?? 'malformed'})`)
  }
}

/** `pg` takes a time-out of its own for each query, which its types don't know. */
interface Query extends QueryConfig {
  query_timeout?: number
  rowMode?: string
}

function querying(target: Pool | PoolClient, wire: Wire, queryTimeout: number): Pick<Session, 'query' | 'queryLists' | 'raw' | 'script'> {
  const limit = queryTimeout > 0 ? { query_timeout: queryTimeout } : {}
  const own = { types: textual, ...limit }
  const lists = { ...own, rowMode: 'array' }
  return {
    query: <R extends Row>(statement: Statement) => sendPrepared<R>(target, wire, statement, own),
    queryLists: async statement => (await sendPrepared(target, wire, statement, lists)).rows as unknown as unknown[][],
    raw: (text, values) => send(target, { text, values, ...limit }),
    async script(text) {
      await send(target, { text, ...limit })
    },
  }
}

function sendPrepared<R extends Row>(target: Pool | PoolClient, wire: Wire, { text, values, name }: Statement, own: Partial<Query>): Promise<Result<R>> {
  if (!wire.prepare || name === undefined) return send(target, { text, values, ...own })
  return send(target, { text, values, name, ...own }, error => withoutName(target, wire, { text, values, ...own }, error))
}

/** Sends a statement again that failed because the name it was prepared under got lost. */
function withoutName<R extends Row>(target: Pool | PoolClient, wire: Wire, query: Query, error: unknown): Promise<Result<R>> {
  if (!isNameLost(error)) throw error
  stopPreparing(wire)
  // PostgreSQL has given up a transaction it happened in; alone, nothing of the statement was carried out.
  if (!isPool(target)) throw error
  return send(target, query)
}

function send<R extends Row>(target: Pool | PoolClient, query: Query, recover?: (error: unknown) => Promise<Result<R>>): Promise<Result<R>> {
  const since = performance.now()
  // One promise on that of `pg`, as each costs every call.
  return target.query<R>(query).then(({ rows, rowCount }) => ({ rows, count: rowCount ?? 0 }), (error: unknown) => {
    const reason = isPool(target) ? failureOf(error, target, since) : toStoreError(error)
    if (recover) return recover(reason)
    throw reason
  })
}

const isPool = (target: Pool | PoolClient): target is Pool => 'totalCount' in target

async function inTransaction<T>(
  pool: Pool, wire: Wire, work: (session: Session) => Promise<T>, { patient = false, isolation }: AtomicOptions = {},
): Promise<T> {
  const since = performance.now()
  const client = await pool.connect().catch((error) => {
    throw failureOf(error, pool, since)
  })
  // A connection that breaks between two statements says so here; the next statement reports it to the caller.
  let broken: Error | undefined
  const onError = (error: Error) => {
    broken = error
  }
  client.on('error', onError)
  const queryTimeout = patient ? NO_LIMIT_MS : wire.queryTimeout
  const session: Session = { ...querying(client, wire, queryTimeout), inTransaction: true, atomic: nested => nested(session) }
  try {
    await session.script(['begin', isolation && ` isolation level ${isolation}`, patient && '; set local statement_timeout = 0'].filter(Boolean).join(''))
    const result = await work(session)
    const { command } = await client.query({ text: 'commit', query_timeout: queryTimeout } as Query).catch((error: unknown) => {
      throw toStoreError(error)
    })
    if (command === 'ROLLBACK') throw failedBefore()
    return result
  }
  catch (error) {
    // The server rolls back by itself when its connection is gone; the client must not go back to the pool.
    if (isUseless(error)) broken ??= error
    else await client.query<Row>({ text: 'rollback', query_timeout: ROLLBACK_TIMEOUT_MS } as Query).catch((failure: Error) => {
      broken ??= failure
    })
    throw error
  }
  finally {
    client.off('error', onError)
    client.release(broken)
  }
}

/** PostgreSQL answers the commit of a failed transaction by rolling back, without an error. */
function failedBefore(): StoreError {
  return new StoreError('DATABASE', 'nothing of the transaction was kept: one of its statements failed, and the error was caught inside')
}

function labelOf(pool: Pool): string {
  const { host, port, database } = new pg.Client(pool.options) as unknown as { host: string, port: number, database: string }
  return `${host}:${port}/${database}`
}
