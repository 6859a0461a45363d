import pg from 'pg'
import { hasServer } from '../setup/database'
import type { ServerName } from '../setup/database'

/** The real servers of this run; one that is not installed is left out. */
export const servers: { name: string, server: ServerName }[] = [
  { name: 'PostgreSQL 18', server: 'pg18' as const },
  { name: 'PostgreSQL 15', server: 'pg15' as const },
].filter(({ server }) => hasServer(server))

/** One of them, for what no version changes. */
export const oneServer = servers.slice(0, 1)

/** A caller's own pool, as a careful caller makes it. */
export function openPool(to: string | pg.PoolConfig, max?: number): pg.Pool {
  const pool = new pg.Pool(typeof to === 'string' ? { connectionString: to, max } : to)
  // A connection that the server ends while the pool closes would be an uncaught exception.
  pool.on('error', () => {})
  return pool
}
