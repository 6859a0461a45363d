import type { ClientBase, Pool, PoolClient } from 'pg'
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

/**
 * Takes a connection of a pool, which `done` is called with. Not by a promise: a connection may break in the moment
 * between the pool that lets go of it and the caller who waits for it.
 */
export function withConnection(pool: Pool, done: (client: PoolClient) => void, fail: (error: Error) => void): void {
  const since = performance.now()
  pool.connect((error, client) => {
    if (!client) return fail(connectFailure(error, pool, since))
    hear(client)
    done(client)
  })
}

/** @throws {StoreError} CONNECTION, TIMEOUT */
export const borrow = (pool: Pool): Promise<PoolClient> => new Promise((resolve, reject) => withConnection(pool, resolve, reject))
