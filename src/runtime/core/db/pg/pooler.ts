import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Client, ClientBase, Pool, PoolClient } from 'pg'
import { borrow } from './borrow'
import { toStoreError } from '../errors'
import type { Pooler } from '../types'
import { isNameLost } from './wire'

export interface PoolerDetection {
  pooler: Pooler
  /** Whether prepared statements are lost between calls. */
  losesNames: boolean
}

// Longer than any server needs: on a network that drops packets the detection must not block the start.
const ANSWER_MS = 10_000
// In session mode a full pooler makes the second connection wait until the first is closed.
const SERVED_MS = 3_000

const pid = { text: 'select pg_catalog.pg_backend_pid() as pid', query_timeout: ANSWER_MS }
const namedPid = { ...pid, name: 'nvs_pooler' }

/**
 * Detects a pooler by comparing the server processes of connections. A server announces the id of its process to a
 * client; a pooler announces a number of its own. A second connection, outside of the pool, then shows what the pooler
 * keeps. Under load a pooler may seem to keep what it loses; then the first statement that fails because of it is noticed.
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
  // A broken connection is also reported by its query, which rejects; the event needs a listener only.
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
  // While this transaction runs, its server process serves no other connection.
  const isLent = await serverProcess(other) === first || await serverProcess(one) !== first
  await other.query('rollback')
  return { pooler: isLent ? 'transaction' : 'session', losesNames: false }
}

/** In transaction mode two clients share server connections, so that one finds the other's prepared statement, or not its own. */
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

// `pg` stores it for cancel requests, but does not declare it; the native client has none.
const announcedProcess = (client: PoolClient): unknown => (client as PoolClient & { processID?: number | null }).processID
