import pg from 'pg'
import type { Pool, PoolConfig } from 'pg'
import { StoreError, invalidOption } from '../../shared/errors'
import { isConnecting, watchConnections, watchEnd } from './borrow'
import { endConnecting, endIdle, endPool, trackConnections } from './end'
import { toStoreError } from '../errors'
import { listenOn } from './listen'
import { inTransaction } from './pgTransaction'
import { NO_PORT, isPort } from '../connection/connectionMembers'
import { DEFAULT_POOL_SIZE, copyOf, relaxed, startingWith } from './poolConfig'
import { detectPooler } from './pooler'
import type { PoolerDetection } from './pooler'
import { onPool, querying } from './send'
import { asStartOptions, requireFit, unfitSettings } from './serverSettings'
import type { Db, DbOptions } from '../types'
import { stopPreparing } from './wire'
import type { Wire } from './wire'

// pg has no time-out by default: on a network that drops packets every call would hang.
const DEFAULT_CONNECTION_TIMEOUT_MS = 30_000
// After this delay probes are sent every second; the connection ends after ten without an answer.
const KEEP_ALIVE_DELAY_MS = 10_000
// A serverless function handles one request at a time and is frozen in between: no connection may stay open or keep it alive.
const FROZEN_BETWEEN_REQUESTS: PoolConfig = { idleTimeoutMillis: 1_000, allowExitOnIdle: true }

/** Creates a pool, or uses the caller's. The first statement opens a connection. */
export function openPostgres(options: DbOptions): Db {
  return options.pool ? onPoolOf(options.pool, options) : onOwnPool(new pg.Pool(checked('connection', poolConfig(options))), options)
}

function onOwnPool(pool: Pool, options: DbOptions): Db {
  const open = trackConnections(pool)
  endConnecting(pool, open, options.signal)
  // The listeners are never removed: a connection may break while the pool is being ended.
  watchConnections(pool)
  listenToIdle(pool, options)
  const db = fromPool(pool, options)
  return {
    ...db,
    async inspect() {
      const unfit = await unfitSettings(db, 'connection')
      if (unfit.length > 0) {
        Object.assign(pool.options, startingWith(pool.options, asStartOptions(unfit)))
        await endIdle(pool)
        requireFit('connection', await unfitSettings(db, 'connection'))
      }
      await db.inspect()
    },
    releaseIdle: () => endIdle(pool),
    close: () => endPool(pool, open),
  }
}

function onPoolOf(pool: Pool, options: DbOptions): Db {
  checked('pool', pool.options)
  const stops = [watchConnections(pool), watchEnd(pool), listenToIdle(pool, options)]
  const db = fromPool(pool, options)
  return {
    ...db,
    async inspect() {
      requireFit('pool', await unfitSettings(db, 'pool'))
      await db.inspect()
    },
    close: async () => stops.forEach(stop => stop()),
  }
}

/** Handles errors of idle connections (such as after a restart of the server), which would otherwise end the process. */
function listenToIdle(pool: Pool, { logger, onConnectionLost }: DbOptions): () => void {
  const onError = (error: Error) => {
    // While the pool is being ended, a connection may break.
    if (pool.ending) return
    logger.warn(`an idle database connection was lost: ${error.message}`)
    onConnectionLost?.(toStoreError(error))
  }
  pool.on('error', onError)
  return () => void pool.off('error', onError)
}

type PoolOptions = Wire & Partial<Pick<DbOptions, 'listenConnection'>>

/** A database on a given pool. The caller keeps ownership of the pool: `close` does nothing. */
export function fromPool(pool: Pool, options: PoolOptions = { prepare: true, queryTimeout: 0, logger: console }): Db {
  const { prepare, queryTimeout, logger, listenConnection = pool.options } = options
  const wire: Wire = { prepare, queryTimeout, logger }
  const listening = typeof listenConnection === 'string' ? { connectionString: listenConnection } : listenConnection
  let detection: Promise<PoolerDetection> | undefined
  const detect = () => detection ??= detectPooler(pool).catch((error: unknown) => {
    detection = undefined
    throw error
  })
  return {
    driver: 'postgres',
    flags: { connections: pool.options.max === 1 ? 'one' : 'many', shared: true },
    ...loginOf(pool),
    pool: () => ({ total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount, max: pool.options.max }),
    room: () => ({
      most: pool.options.max,
      free: pool.options.max - pool.totalCount + pool.idleCount - pool.waitingCount,
      waitMs: pool.options.connectionTimeoutMillis ?? 0,
    }),
    inTransaction: false,
    requireNotConnecting() {
      if (isConnecting(pool)) throw new StoreError('INVALID_CALL', 'close() inside password(), onConnect or verify of a connection would wait for itself: call it after that has resolved')
    },
    ...querying(onPool(pool), wire, queryTimeout),
    pooler: async () => (await detect()).pooler,
    atomic: (work, given) => inTransaction(pool, wire, work, given),
    inspect: async () => {
      if (wire.prepare && (await detect()).losesNames) stopPreparing(wire)
    },
    listen: async (channel, onWake, onReconnect) => listenOn(listening, channel, { onWake, onReconnect, logger }),
    releaseIdle: async () => {},
    close: async () => {},
  }
}

function poolConfig(options: DbOptions): PoolConfig {
  const config: PoolConfig = typeof options.connection === 'string' ? { connectionString: options.connection } : copyOf(options.connection ?? {})
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

/** Detects at the start what `pg` would report on the first connection only (a URL it can't parse), or never (a wrong port). */
function checked(option: string, config: PoolConfig): PoolConfig {
  const { port } = parsedBy(option, config)
  if (!isPort(port)) throw invalidOption(option, `has a port ${NO_PORT} (look at PGPORT too)`)
  return config
}

function parsedBy(option: string, config: PoolConfig): pg.Client {
  try {
    return new pg.Client(config)
  }
  catch (error) {
    // Neither the value nor the error is shown: both may contain a password.
    throw invalidOption(option, `is not a connection that pg understands (${(error as { code?: string }).code ?? 'malformed'})`)
  }
}

function loginOf(pool: Pool): Pick<Db, 'label' | 'login'> {
  const { host, port, database, user } = new pg.Client(pool.options) as unknown as { host: string, port: number, database: string, user: string }
  return { label: `${host}:${port}/${database}`, login: { user, database } }
}
