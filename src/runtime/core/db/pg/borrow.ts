import type { ClientBase, Pool, PoolClient, PoolConfig } from 'pg'
import { isInside, openPlace } from '../../shared/inside'
import { connectFailure } from './waits'

/** Connections that broke, and what they said. */
const losses = new WeakMap<ClientBase, Error | undefined>()

/**
 * Listens for the error of a connection for as long as it lives. Nobody else does between two holders, and an error
 * that nobody hears ends the process. The next statement reports it, and the pool replaces the connection.
 */
export function hear(client: ClientBase): void {
  if (losses.has(client)) return
  losses.set(client, undefined)
  client.on('error', error => void losses.set(client, error))
}

export const lossOf = (client: ClientBase): Error | undefined => losses.get(client)

/** Listens to the connections that a pool makes from now on. */
export function hearAll(pool: Pool): () => void {
  pool.on('connect', hear)
  return () => void pool.off('connect', hear)
}

/** Those who wait for a connection of a pool that somebody else may end. */
const waiting = new WeakMap<Pool, Set<(error: Error) => void>>()

/** A pool that is ended gives its connections to nobody any more, and never tells those who wait for one. */
export function hearEnd(pool: Pool): () => void {
  const waiters = waiting.get(pool) ?? new Set()
  waiting.set(pool, waiters)
  const onRemove = () => {
    if (pool.ending) for (const forget of waiters) forget(new Error('Cannot use a pool after calling end on the pool'))
  }
  pool.on('remove', onRemove)
  return () => void pool.off('remove', onRemove)
}

/**
 * Takes a connection of a pool, which `done` is called with. Not by a promise: a connection may break in the moment
 * between the pool that lets go of it and the caller who waits for it.
 */
export function withConnection(pool: Pool, done: (client: PoolClient) => void, fail: (error: Error) => void): void {
  const since = performance.now()
  const waiters = waiting.get(pool)
  let forgotten = false
  const forget = (error: Error) => {
    forgotten = true
    waiters?.delete(forget)
    fail(connectFailure(error, pool, since))
  }
  waiters?.add(forget)
  connect(pool, (error, client) => {
    waiters?.delete(forget)
    if (forgotten) return client?.release()
    if (!client) return fail(connectFailure(error, pool, since))
    hear(client)
    done(client)
  })
}

/** @throws {StoreError} CONNECTION, TIMEOUT */
export const borrow = (pool: Pool): Promise<PoolClient> => new Promise((resolve, reject) => withConnection(pool, resolve, reject))

type Connected = (error: Error | undefined, client: PoolClient | undefined) => void

/** Where code of the caller's takes part, it runs inside. Only there: it would cost every call. */
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
