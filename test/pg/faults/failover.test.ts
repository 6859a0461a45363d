import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import pg from 'pg'
import { createStore } from '../../../src/runtime/core/index'
import { installedBinaries } from '../../setup/binaries'
import { startServer, startStandby } from '../../setup/postgres'
import type { Server } from '../../setup/postgres'
import { startProxy } from '../../setup/proxy'
import { EFFECTS, READ_EFFECTS } from './effects'
import type { Effect } from './effects'
import { startLoad } from './load'
import { appending, checkEffects, noting } from './numbered'

const bin = await installedBinaries()
// The servers from npm come without it.
const canCopy = bin !== undefined && await access(join(bin, 'pg_basebackup')).then(() => true, () => false)
const quiet = { info: () => {}, warn: () => {}, error: () => {} }

/** Two servers, the second one a standby that has every commit before it is acknowledged, and an address that may move. */
async function pair() {
  const primary = await startServer(bin!)
  onTestFinished(() => primary.stop('immediate'))
  const standby = await startStandby(bin!, primary)
  onTestFinished(() => standby.stop('immediate'))
  await query(primary, 'alter system set synchronous_standby_names = \'*\'')
  await query(primary, 'select pg_reload_conf()')
  await expect.poll(async () => (await query(primary, 'select sync_state from pg_stat_replication')).rows).toEqual([{ sync_state: 'sync' }])
  const address = await startProxy(primary.port)
  onTestFinished(() => address.close())
  const store = createStore({ connection: address.urlOf(primary.url), poolSize: 6, logger: quiet })
  onTestFinished(() => store.close())
  await store.ready()
  return { primary, standby, address, store }
}

async function query(server: Server, text: string) {
  const client = new pg.Client({ connectionString: server.url })
  await client.connect()
  try {
    return await client.query<Record<string, unknown>>(text)
  }
  finally {
    await client.end()
  }
}

describe.skipIf(!canCopy)('a failover to a standby', () => {
  it('after a crash of the primary loses no acknowledged write', async () => {
    const { primary, standby, address, store } = await pair()
    const seen: unknown[] = []
    await store.stream.subscribe('followed:1', event => seen.push(event.data))
    await store.stream.append('followed:1', { type: 'x', data: 'before' })
    const load = startLoad(store)
    await load.progress()
    await primary.halt('immediate')
    await query(standby, 'select pg_promote()')
    address.lead(standby.port)
    await load.progress()
    await load.stop()
    // Whoever follows catches up on the new primary.
    await store.stream.append('followed:1', { type: 'x', data: 'after' })
    await expect.poll(() => seen).toEqual(['before', 'after'])
    expect(load.codes().filter(code => code !== 'CONNECTION' && code !== 'TIMEOUT')).toEqual([])
    await load.check(store)
  })

  it('leaves consumers with every effect once and in order', async () => {
    const { primary, standby, address, store } = await pair()
    await query(primary, EFFECTS)
    const consumer = store.consume({ name: 'totals', leaseMs: 1_000, pollInterval: 50, backoff: { first: 20, max: 200 }, handler: noting('only') })
    await consumer.start()
    const events = appending(store)
    const effects = async (server: Server) => (await query(server, READ_EFFECTS)).rows as unknown as Effect[]
    await expect.poll(async () => (await effects(primary)).length).toBeGreaterThan(200)
    await primary.halt('immediate')
    await query(standby, 'select pg_promote()')
    address.lead(standby.port)
    const before = (await effects(standby)).length
    await expect.poll(async () => (await effects(standby)).length).toBeGreaterThan(before + 200)
    await events.stop()
    await expect.poll(() => consumer.status()).toMatchObject({ lag: 0, parked: 0 })
    await consumer.stop()
    expect(checkEffects(await effects(standby), events.next).doubled).toBe(0)
  })

  it('to one that lacks the last events gives subscribers everything that comes after it', async () => {
    const primary = await startServer(bin!)
    onTestFinished(() => primary.stop('immediate'))
    const standby = await startStandby(bin!, primary)
    onTestFinished(() => standby.stop('immediate'))
    const address = await startProxy(primary.port)
    onTestFinished(() => address.close())
    const store = createStore({ connection: address.urlOf(primary.url), pollInterval: 50, logger: quiet })
    onTestFinished(() => store.close())
    const appended = (to: typeof store, name: string, count: number) =>
      to.stream.appendMany('followed:1', Array.from({ length: count }, (_, at) => ({ type: 'x', data: `${name} ${at + 1}` })))
    await appended(store, 'shared', 5)
    const seen: Record<string, unknown[]> = { subject: [], glob: [] }
    await store.stream.subscribe('followed:1', ({ data }) => seen.subject!.push(data))
    await store.stream.subscribe('followed:*', ({ data }) => seen.glob!.push(data))
    const { rows: [reached] } = await query(primary, 'select pg_current_wal_lsn() as lsn')
    await expect.poll(async () => (await query(standby, `select pg_last_wal_replay_lsn() >= '${reached!.lsn as string}' as ok`)).rows).toEqual([{ ok: true }])
    await query(standby, 'alter system set primary_conninfo = \'\'')
    await query(standby, 'select pg_reload_conf()')
    await expect.poll(async () => (await query(primary, 'select 1 from pg_stat_replication')).rows).toEqual([])
    // More than the sequence is ahead of its ids in the log of the server.
    const lost = (await appended(store, 'lost', 100)).map(({ data }) => data as unknown)
    await expect.poll(() => Object.values(seen)).toEqual([lost, lost])
    address.refuse(true)
    await primary.halt('immediate')
    await query(standby, 'select pg_promote()')
    // Others write before this store has found the new primary.
    const other = createStore({ connection: standby.url, logger: quiet })
    const later = (await appended(other, 'later', 150)).map(({ data }) => data as unknown)
    await other.close()
    address.lead(standby.port)
    address.refuse(false)
    await expect.poll(() => Object.values(seen).map(list => list.slice(-150))).toEqual([later, later])
  })

  it('that comes late is waited for: until then writes fail with the reason, and reads go on', async () => {
    const { primary, standby, address, store } = await pair()
    await store.kv.set('a', 1)
    const restored = new Promise(resolve => store.admin.on('connection:restored', resolve))
    await primary.halt('immediate')
    address.lead(standby.port)
    const readOnly = { code: 'CONNECTION', retryable: true, details: { sqlState: '25006' }, message: expect.stringContaining('standby') as string }
    await expect.poll(() => store.kv.set('a', 2).catch((error: unknown) => error)).toMatchObject(readOnly)
    // Nobody asks any more whether the database is back.
    await restored
    // A transaction must not put its connection back for others to fail on.
    await expect(store.transaction(tx => tx.kv.set('a', 2))).rejects.toMatchObject(readOnly)
    await expect.poll(address.connections).toBe(0)
    expect(await store.kv.get('a')).toBe(1)
    await query(standby, 'select pg_promote()')
    await expect.poll(() => store.kv.set('a', 3).then(() => 'done', () => 'not yet')).toBe('done')
    expect(await store.kv.get('a')).toBe(3)
  })
  it('gives no global order on the standby, and says why; what it can answer it answers', async () => {
    const { standby, store } = await pair()
    await store.kv.set('replicated', 1)
    await store.stream.append('followed:1', { type: 'x' })
    const reader = createStore({ connection: standby.url, autoMigrate: false, logger: quiet })
    onTestFinished(() => reader.close())
    await expect.poll(() => reader.kv.get('replicated')).toBe(1)
    const onStandby = { name: 'StoreError', code: 'CONNECTION', retryable: true, message: expect.stringContaining('standby') as string }
    await expect(reader.stream.readAll()[Symbol.asyncIterator]().next()).rejects.toMatchObject(onStandby)
    await expect(reader.stream.subscribe('followed:1', () => {})).rejects.toMatchObject(onStandby)
    await expect(reader.kv.set('a', 1)).rejects.toMatchObject(onStandby)
    await expect(reader.transaction(tx => tx.kv.set('a', 1))).rejects.toMatchObject(onStandby)
    expect(await reader.stream.read('followed:1')).toHaveLength(1)
  })
})
