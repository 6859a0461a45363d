import pg from 'pg'
import type { Pool, PoolConfig } from 'pg'
import { StoreError, invalidOption } from '../../shared/errors'
import { hearAll, hearEnd, isConnecting } from './borrow'
import { endConnecting, endIdle, endPool, trackConnections } from './end'
import { toStoreError } from '../errors'
import { listenOn } from './listen'
import { inTransaction } from './pgTransaction'
import { NO_PORT, isPort } from '../connection/connectionMembers'
import { copyOf, relaxed, startingWith } from './poolConfig'
import { detectPooler } from './pooler'
import type { PoolerDetection } from './pooler'
import { onPool, querying } from './send'
import { asStartOptions, requireFit, unfitSettings } from './serverSettings'
import type { Db, DbOptions } from '../types'
import { stopPreparing } from './wire'
import type { Wire } from './wire'

const DEFAULT_POOL_SIZE = 10
// pg waits for ever by default: a network that swallows packets would hang every call.
const DEFAULT_CONNECTION_TIMEOUT_MS = 30_000
// Then probes go out, one a second; ten without an answer end the connection.
const KEEP_ALIVE_DELAY_MS = 10_000
// A function serves one request at a time, and stands still after it: nothing may stay open, or keep it alive.
const FROZEN_BETWEEN_REQUESTS: PoolConfig = { idleTimeoutMillis: 1_000, allowExitOnIdle: true }

/** Opens a pool of our own, or uses the caller's. Connects at the first statement. */
export function openPostgres(options: DbOptions): Db {
  return options.pool ? onPoolOf(options.pool, options) : onOwnPool(new pg.Pool(checked('connection', poolConfig(options))), options)
}

function onOwnPool(pool: Pool, options: DbOptions): Db {
  const open = trackConnections(pool)
  endConnecting(pool, open, options.signal)
  // Our own pool keeps its listeners: a connection may break while it is being ended.
  hearAll(pool)
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
  const stops = [hearAll(pool), hearEnd(pool), listenToIdle(pool, options)]
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
      if (isConnecting(pool)) throw new StoreError('INVALID_CALL', 'close() inside password(), onConnect or verify of a connection would wait for itself: call it when that has resolved')
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

/** A URL that can't be parsed would only be found out by the first connection; and of a wrong port, nobody ever. */
function checked(option: string, config: PoolConfig): PoolConfig {
  const { port } = understood(option, config)
  if (!isPort(port)) throw invalidOption(option, `has a port ${NO_PORT} (look at PGPORT too)`)
  return config
}

function understood(option: string, config: PoolConfig): pg.Client {
  try {
    return new pg.Client(config)
  }
  catch (error) {
    // The text may hold a password, and so may the error.
    throw invalidOption(option, `is not a connection that pg understands (${(error as { code?: string }).code ?? 'malformed'})`)
  }
}

function loginOf(pool: Pool): Pick<Db, 'label' | 'login'> {
  const { host, port, database, user } = new pg.Client(pool.options) as unknown as { host: string, port: number, database: string, user: string }
  return { label: `${host}:${port}/${database}`, login: { user, database } }
}
