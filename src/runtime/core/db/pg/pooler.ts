import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Client, ClientBase, Pool, PoolClient } from 'pg'
import { borrow } from './borrow'
import { toStoreError } from '../errors'
import type { Pooler } from '../types'
import { isNameLost } from './wire'

export interface PoolerDetection {
  pooler: Pooler
  /** Statements that are prepared under a name are not found again. */
  losesNames: boolean
}

// Longer than any server takes for it: a network that swallows packets must not keep a store from starting.
const ANSWER_MS = 10_000
// In session mode a full pooler lets the second connection wait for the first.
const SERVED_MS = 3_000

const pid = { text: 'select pg_catalog.pg_backend_pid() as pid', query_timeout: ANSWER_MS }
const namedPid = { ...pid, name: 'nvs_pooler' }

/**
 * Finds out what stands before the database by comparing which server process serves which connection. A server gives
 * a connection the id of its process; a pooler gives a number of its own. Then a second connection, beside the pool,
 * shows what the pooler keeps. A busy pooler may hide what it loses: then the first statement that fails for it tells.
 */
export async function detectPooler(pool: Pool): Promise<PoolerDetection> {
  const one = await borrow(pool)
  let broken: Error | undefined
  try {
    const first = await serverProcess(one)
    const announced = announcedProcess(one)
    if (typeof announced !== 'number' || announced === first) return { pooler: 'none', losesNames: false }
    return await withOther(pool, other => compare(one, first, other))
  }
  catch (error) {
    broken = error as Error
    throw toStoreError(error)
  }
  finally {
    one.release(broken)
  }
}

async function withOther<T>(pool: Pool, work: (other: Client) => Promise<T>): Promise<T> {
  const other = new pg.Client(pool.options)
  // A connection that breaks says so twice; its query rejects as well.
  other.on('error', () => {})
  try {
    return await work(other)
  }
  finally {
    await other.end()
  }
}

async function compare(one: PoolClient, first: number, other: Client): Promise<PoolerDetection> {
  const served = other.connect().then(() => serverProcess(other))
  const isServed = await Promise.race([served, sleep(SERVED_MS, undefined, { ref: false })])
  if (isServed === undefined) return { pooler: 'session', losesNames: false }
  if (!await keepsNames(one, other)) return { pooler: 'transaction', losesNames: true }
  await other.query('begin')
  // While this transaction has a server process, that one serves no other connection.
  const isLent = await serverProcess(other) === first || await serverProcess(one) !== first
  await other.query('rollback')
  return { pooler: isLent ? 'transaction' : 'session', losesNames: false }
}

/** In transaction mode two connections share a server's, and one finds the other's name, or not its own. */
async function keepsNames(one: PoolClient, other: Client): Promise<boolean> {
  try {
    await one.query(namedPid)
    await other.query(namedPid)
    return true
  }
  catch (error) {
    if (isNameLost(error)) return false
    throw error
  }
}

async function serverProcess(client: ClientBase): Promise<number> {
  const { rows: [row] } = await client.query<{ pid: number }>(pid)
  return row!.pid
}

// `pg` keeps it for cancel requests and does not type it; the native client has none.
const announcedProcess = (client: PoolClient): unknown => (client as PoolClient & { processID?: number | null }).processID
