import type { Socket } from 'node:net'
import type { Pool, PoolClient } from 'pg'
import { borrow } from './borrow'

// A server answers a goodbye at once. A connection whose packets nobody takes would keep the process for minutes.
const GOODBYE_MS = 2_000

/** Notes the connections a pool has open. */
export function trackConnections(pool: Pool): Set<PoolClient> {
  const open = new Set<PoolClient>()
  pool.on('connect', client => void open.add(client))
  pool.on('remove', client => void open.delete(client))
  return open
}

/** Ends attempts to connect when `signal` says so: a host that swallows packets would keep them, and the process, until they time out. */
export function endConnecting(pool: Pool, open: Set<PoolClient>, signal: AbortSignal | undefined): void {
  signal?.addEventListener('abort', () => {
    const { _clients: all } = pool as unknown as { _clients: PoolClient[] }
    for (const client of all) if (!open.has(client)) socketOf(client).destroy()
  }, { once: true })
}

/** Ends a pool, and resolves when its connections are gone. */
export async function endPool(pool: Pool, open: Set<PoolClient>): Promise<void> {
  await pool.end()
  await gone([...open])
}

/** Lets the connections go that nobody uses. */
export async function endIdle(pool: Pool): Promise<void> {
  const idle = await Promise.all(Array.from({ length: pool.idleCount }, () => borrow(pool)))
  const ended = gone(idle)
  for (const client of idle) client.release(true)
  await ended
}

async function gone(clients: PoolClient[]): Promise<void> {
  const cut = setTimeout(() => clients.forEach(client => socketOf(client).destroy()), GOODBYE_MS)
  // Not `once` of node:events: a server that ends it with an error ends it all the same.
  await Promise.all(clients.map(client => new Promise<void>(resolve => client.once('end', resolve))))
  clearTimeout(cut)
}

function socketOf(client: PoolClient): Socket {
  return (client as unknown as { connection: { stream: Socket } }).connection.stream
}
