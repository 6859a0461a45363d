import pg from 'pg'
import type { Pool, PoolClient, PoolConfig, QueryConfig, QueryResult } from 'pg'
import { StoreError, invalidOption } from '../errors'
import type { ResolvedStoreOptions } from '../options'
import type { Statement } from '../sql/statement'
import type { IsolationLevel } from '../types/index'
import { toStoreError } from './errors'
import { detectPooler } from './poolerMode'
import { textual } from './textual'
import { listenOn } from './listen'
import type { Db, DbOptions, Result, Row, Session } from './types'

const DEFAULT_POOL_SIZE = 10
// pg waits for ever by default: a network that swallows packets would hang every call.
const DEFAULT_CONNECTION_TIMEOUT_MS = 30_000

/** Opens a pool of our own, or uses the caller's. Connects at the first statement. */
export function openPostgres(options: DbOptions): Db {
  const pool = options.pool ?? new pg.Pool(checked(poolConfig(options)))
  // An idle connection that breaks (a restarted server) is replaced by the pool; unheard, its error ends the process.
  const onIdleError = (error: Error) => {
    options.logger.warn(`an idle database connection was lost: ${error.message}`)
    options.onConnectionLost?.(toStoreError(error))
  }
  pool.on('error', onIdleError)
  return {
    ...fromPool(pool, options),
    close: async () => {
      // Our own pool keeps its listener: a connection may break while it is being ended.
      if (options.pool === undefined) await pool.end()
      else pool.off('error', onIdleError)
    },
  }
}

/** A session on somebody's pool, which stays theirs: `close` does nothing. */
export function fromPool(pool: Pool, { listenConnection, logger }: Partial<Pick<ResolvedStoreOptions, 'listenConnection' | 'logger'>> = {}): Db {
  const listening = typeof listenConnection === 'string' ? { connectionString: listenConnection } : listenConnection ?? pool.options
  return {
    driver: 'postgres',
    flags: { connections: pool.options.max === 1 ? 'one' : 'many', shared: true },
    label: labelOf(pool),
    pool: () => ({ total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount, max: pool.options.max }),
    inTransaction: false,
    ...querying(pool),
    pooler: () => detectPooler(pool),
    atomic: (work, isolation) => inTransaction(pool, work, isolation),
    listen: async (channel, onWake, onReconnect) => listenOn(listening, channel, { onWake, onReconnect, logger }),
    close: async () => {},
  }
}

function poolConfig(options: ResolvedStoreOptions): PoolConfig {
  const given: PoolConfig = typeof options.connection === 'string'
    ? { connectionString: options.connection }
    : { ...options.connection }
  return {
    ...given,
    connectionTimeoutMillis: given.connectionTimeoutMillis ?? DEFAULT_CONNECTION_TIMEOUT_MS,
    max: options.poolSize ?? given.max ?? DEFAULT_POOL_SIZE,
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

function querying(target: Pool | PoolClient): Pick<Session, 'query' | 'raw' | 'script'> {
  return {
    async query<R extends Row>(statement: Statement): Promise<Result<R>> {
      const result = await send<R>(target, { ...statement, types: textual })
      return { rows: result.rows, count: result.rowCount ?? 0 }
    },
    async raw(text, values) {
      const result = await send(target, { text, values })
      return { rows: result.rows, count: result.rowCount ?? 0 }
    },
    async script(text) {
      await send(target, { text })
    },
  }
}

async function send<R extends Row>(target: Pool | PoolClient, config: QueryConfig): Promise<QueryResult<R>> {
  try {
    return await target.query<R>(config)
  }
  catch (error) {
    throw toStoreError(error)
  }
}

async function inTransaction<T>(pool: Pool, work: (session: Session) => Promise<T>, isolation?: IsolationLevel): Promise<T> {
  const client = await pool.connect().catch((error) => {
    throw toStoreError(error)
  })
  // A connection that breaks between two statements says so here; the next statement reports it to the caller.
  let broken: Error | undefined
  const onError = (error: Error) => {
    broken = error
  }
  client.on('error', onError)
  const session: Session = { ...querying(client), inTransaction: true, atomic: nested => nested(session) }
  try {
    await session.script(isolation ? `begin isolation level ${isolation}` : 'begin')
    const result = await work(session)
    const { command } = await send(client, { text: 'commit' })
    if (command === 'ROLLBACK') throw failedBefore()
    return result
  }
  catch (error) {
    await client.query('rollback').catch((failure: Error) => {
      // The server rolls back by itself when its connection is gone; the client must not go back to the pool.
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
