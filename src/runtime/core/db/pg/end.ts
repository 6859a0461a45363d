import type { Socket } from 'node:net'
import type { Pool, PoolClient } from 'pg'
import { borrow } from './borrow'

// A server ends a connection at once when asked. On a network that drops packets, waiting would keep the process alive
// for minutes.
const END_MS = 2_000

/** Tracks the open connections of a pool. */
export function trackConnections(pool: Pool): Set<PoolClient> {
  const open = new Set<PoolClient>()
  pool.on('connect', client => void open.add(client))
  pool.on('remove', client => void open.delete(client))
  return open
}

/** Aborts attempts to connect on `signal`: on a network that drops packets, they would keep the process alive until they time out. */
export function endConnecting(pool: Pool, open: Set<PoolClient>, signal: AbortSignal | undefined): void {
  signal?.addEventListener('abort', () => {
    const { _clients: all } = pool as unknown as { _clients: PoolClient[] }
    for (const client of all) if (!open.has(client)) socketOf(client).destroy()
  }, { once: true })
}

/** Ends a pool and resolves when its connections are closed. */
export async function endPool(pool: Pool, open: Set<PoolClient>): Promise<void> {
  await pool.end()
  await gone([...open])
}

/** Closes the idle connections of a pool. */
export async function endIdle(pool: Pool): Promise<void> {
  const idle = await Promise.all(Array.from({ length: pool.idleCount }, () => borrow(pool)))
  const ended = gone(idle)
  for (const client of idle) client.release(true)
  await ended
}

async function gone(clients: PoolClient[]): Promise<void> {
  const cut = setTimeout(() => clients.forEach(client => socketOf(client).destroy()), END_MS)
  // Not `once` of node:events, which rejects on `error`: a connection that ends with an error has ended, too.
  await Promise.all(clients.map(client => new Promise<void>(resolve => client.once('end', resolve))))
  clearTimeout(cut)
}

function socketOf(client: PoolClient): Socket {
  return (client as unknown as { connection: { stream: Socket } }).connection.stream
}
