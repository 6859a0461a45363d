import type { ClientBase, Pool, PoolClient, PoolConfig } from 'pg'
import { isInside, openPlace } from '../../shared/inside'
import { connectFailure } from './waits'

/** Watched connections, each with the error that broke it. */
const losses = new WeakMap<ClientBase, Error | undefined>()

/**
 * Listens for errors of a connection until it is closed. Between two borrowers it has no other listener, and an `error`
 * event without a listener ends the process. The next statement reports the error, and the pool replaces the connection.
 */
export function watchConnection(client: ClientBase): void {
  if (losses.has(client)) return
  losses.set(client, undefined)
  client.on('error', error => void losses.set(client, error))
}

export const lossOf = (client: ClientBase): Error | undefined => losses.get(client)

/**
 * Watches all connections that a pool opens from now on.
 * @returns a function that stops watching
 */
export function watchConnections(pool: Pool): () => void {
  pool.on('connect', watchConnection)
  return () => void pool.off('connect', watchConnection)
}

/** Calls that wait for a connection of a pool that the application may end. */
const waiting = new WeakMap<Pool, Set<(error: Error) => void>>()

/**
 * Fails waiting calls when the application ends its pool: `pg` hands out no more connections then, and never calls back.
 * @returns a function that stops watching
 */
export function watchEnd(pool: Pool): () => void {
  const waiters = waiting.get(pool) ?? new Set()
  waiting.set(pool, waiters)
  const onRemove = () => {
    if (pool.ending) for (const abandon of waiters) abandon(new Error('Cannot use a pool after calling end on the pool'))
  }
  pool.on('remove', onRemove)
  return () => void pool.off('remove', onRemove)
}

/**
 * Borrows a connection from a pool and calls `done` with it. A callback and not a promise: the connection may break
 * between the moment it is handed out and the moment a promise resolves.
 */
export function withConnection(pool: Pool, done: (client: PoolClient) => void, fail: (error: Error) => void): void {
  const since = performance.now()
  const waiters = waiting.get(pool)
  let abandoned = false
  const abandon = (error: Error) => {
    abandoned = true
    waiters?.delete(abandon)
    fail(connectFailure(error, pool, since))
  }
  waiters?.add(abandon)
  connect(pool, (error, client) => {
    waiters?.delete(abandon)
    if (abandoned) return client?.release()
    if (!client) return fail(connectFailure(error, pool, since))
    watchConnection(client)
    done(client)
  })
}

/** @throws {StoreError} CONNECTION, TIMEOUT */
export const borrow = (pool: Pool): Promise<PoolClient> => new Promise((resolve, reject) => withConnection(pool, resolve, reject))

type Connected = (error: Error | undefined, client: PoolClient | undefined) => void

/** Callbacks of the caller run inside a place, so that calls from them are recognized. Only then, since it has a cost. */
function connect(pool: Pool, done: Connected): void {
  const { password, onConnect, verify } = pool.options as PoolConfig
  if (![password, onConnect, verify].some(hook => typeof hook === 'function')) return void pool.connect(done)
  const place = openPlace(pool)
  place.run(() => pool.connect((error, client) => {
    place.close()
    done(error, client)
  }))
}

export const isConnecting = (pool: Pool): boolean => isInside(pool)
