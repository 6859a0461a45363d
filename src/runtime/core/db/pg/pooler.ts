import pg from 'pg'
import type { Pool, PoolClient } from 'pg'
import { borrow } from './borrow'
import { toStoreError } from '../errors'
import { isNameLost } from './wire'

interface Backend {
  pid: number
}

// Longer than any server takes for it: a network that swallows packets must not keep a store from starting.
const PATIENCE_MS = 10_000
const pid = { text: 'select pg_catalog.pg_backend_pid() as pid', query_timeout: PATIENCE_MS }
const namedPid = { ...pid, name: 'nvs_pooler' }

/**
 * Whether a connection pooler stands before the database that loses prepared statements. A pooler gives a connection
 * a process id that is not the server's; in transaction mode two connections share a server's, and one finds the
 * other's names. A busy pooler may hide this: then the first statement that fails for it tells.
 */
export async function losesNames(pool: Pool): Promise<boolean> {
  const one = await borrow(pool)
  let broken: Error | undefined
  try {
    return !await isServer(one) && !await keepsNames(one, new pg.Client(pool.options))
  }
  catch (error) {
    broken = error as Error
    throw toStoreError(error)
  }
  finally {
    one.release(broken)
  }
}

async function isServer(client: PoolClient): Promise<boolean> {
  // Not in the types; the native client has none.
  const { processID } = client as unknown as { processID?: number | null }
  const { rows: [backend] } = await client.query<Backend>(pid)
  return typeof processID !== 'number' || processID === backend!.pid
}

async function keepsNames(one: PoolClient, other: pg.Client): Promise<boolean> {
  // A connection that breaks says so twice; its query rejects as well.
  other.on('error', () => {})
  try {
    await other.connect()
    await one.query(namedPid)
    await other.query(namedPid)
    return true
  }
  catch (error) {
    if (isNameLost(error)) return false
    throw error
  }
  finally {
    await other.end()
  }
}
