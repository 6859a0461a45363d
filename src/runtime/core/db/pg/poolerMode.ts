import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool, PoolClient } from 'pg'
import { borrow } from './borrow'
import { toStoreError } from '../errors'

/**
 * What stands between the store and the server. `transaction`: connections are lent for one transaction at a time, so
 * that named statements, LISTEN and session settings don't hold. `session`: something that keeps them, or did not
 * show that it does not.
 */
export type Pooler = 'none' | 'session' | 'transaction'

// In session mode a full pooler lets the second connection wait for the first.
const PATIENCE_MS = 3_000

/** Finds out by comparing which server process serves whom; needs two connections of the pool at a time. */
export async function detectPooler(pool: Pool): Promise<Pooler> {
  return withBorrowed(pool, async (one) => {
    const first = await serverProcess(one)
    // A server gives its process id when a connection begins; a pooler gives a number of its own.
    if (announcedProcess(one) === first) return 'none'
    return withBorrowed(pool, async (two) => {
      const second = await Promise.race([serverProcess(two, 'begin'), sleep(PATIENCE_MS, undefined, { ref: false })])
      if (second === undefined) throw new WaitsForOther()
      // While the other one's transaction has a server process, nobody else is served by it.
      const isLent = second === first || await serverProcess(one) !== first
      await two.query('rollback')
      return isLent ? 'transaction' : 'session'
    })
  }).catch((error: unknown) => {
    if (error instanceof WaitsForOther) return 'session'
    throw toStoreError(error)
  })
}

class WaitsForOther extends Error {}

/** Lends a connection of the pool; one that broke, or is in the middle of something, does not go back. */
async function withBorrowed<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await borrow(pool)
  let broken: Error | undefined
  try {
    return await work(client)
  }
  catch (error) {
    broken = error as Error
    throw error
  }
  finally {
    client.release(broken)
  }
}

async function serverProcess(client: PoolClient, before?: string): Promise<number> {
  if (before) await client.query(before)
  const { rows: [row] } = await client.query<{ pid: number }>('select pg_catalog.pg_backend_pid() as pid')
  return row!.pid
}

// `pg` keeps it for cancel requests and does not type it.
const announcedProcess = (client: PoolClient): unknown => (client as PoolClient & { processID?: number }).processID
