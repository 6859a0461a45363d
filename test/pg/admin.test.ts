import { describe, expect, it } from 'vitest'
import { eventually } from '../setup/eventually'
import type { StoreEvents } from '../../src/runtime/core/index'
import { createStore, migrations, prometheusText } from '../../src/runtime/core/index'
import { administer, freshDatabase, openStore, serverUrl } from '../setup/database'
import { openPool, servers } from './servers'

const PASSWORD = ['n3ver', 'sh0wn'].join('-')
const quiet = { info: () => {}, warn: () => {}, error: () => {} }

describe.each(servers)('admin on $name', ({ server }) => {
  it('migrates, and says the version, while a schema that is behind keeps the store from starting', async () => {
    const { url } = await freshDatabase(server)
    const store = openStore({ connection: url, autoMigrate: false })
    await expect(store.kv.get('a')).rejects.toMatchObject({ code: 'SCHEMA_BEHIND' })
    expect(await store.admin.version()).toBe(0)
    expect(await store.admin.migrate()).toEqual({ version: migrations.length, applied: migrations.length })
    await store.kv.set('a', 1)
    expect(await store.admin.version()).toBe(migrations.length)
    expect(await store.admin.health()).toMatchObject({ status: 'ok' })
  })

  it('tells of the database that is away, once, and of its return', async () => {
    const { url, name } = await freshDatabase(server)
    const store = openStore({ connection: url, connectTimeout: 0, sweepInterval: 0 })
    const heard: [event: string, payload: unknown][] = []
    store.admin.on('connection:lost', payload => heard.push(['lost', payload.error.code]))
    store.admin.on('connection:restored', payload => heard.push(['restored', typeof payload.downMs]))
    await store.kv.set('a', 1)
    await administer(server, [
      `alter database "${name}" allow_connections false`,
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`,
    ])
    await eventually(() => expect(heard).toEqual([['lost', 'CONNECTION']]))
    await expect(store.kv.get('a')).rejects.toMatchObject({ name: 'StoreError' })
    expect(await store.admin.health()).toMatchObject({ status: 'down' })
    await administer(server, [`alter database "${name}" allow_connections true`])
    await eventually(() => expect(heard).toEqual([['lost', 'CONNECTION'], ['restored', 'number']]))
    expect(await store.kv.get('a')).toBe(1)
    expect(store.admin.metrics().connection).toEqual({ lost: 1, restored: 1 })
  })

  it('shows how busy the pool is', async () => {
    const { url } = await freshDatabase(server)
    const store = openStore({ connection: url, poolSize: 1, sweepInterval: 0 })
    expect(store.admin.metrics().pool).toBeNull()
    await store.ready()
    const slow = store.transaction(tx => tx.query('select pg_sleep(0.5)'))
    const waiting = store.kv.get('a')
    await eventually(() => expect(store.admin.metrics().pool).toEqual({ total: 1, idle: 0, waiting: 1, max: 1 }))
    const health = store.admin.health()
    await Promise.all([slow, waiting])
    expect(await health).toMatchObject({ status: 'ok' })
  })

  it('is down within the time-out while no connection is to be had', async () => {
    const { url, pool } = await freshDatabase(server)
    const store = openStore({ connection: url, poolSize: 1, sweepInterval: 0 })
    await store.ready()
    const client = await pool.connect()
    await client.query('select pg_advisory_lock(7)')
    const held = store.transaction(tx => tx.query('select pg_advisory_xact_lock(7)'))
    await eventually(() => expect(store.admin.metrics().pool).toMatchObject({ idle: 0 }))
    expect(await store.admin.health({ timeoutMs: 50 })).toMatchObject({
      status: 'down', checks: { database: { status: 'down', reason: 'TIMEOUT' }, pool: { status: 'degraded' } }, error: { code: 'TIMEOUT' },
    })
    await client.query('select pg_advisory_unlock(7)')
    client.release()
    await held
  })

  it('tells of transactions that PostgreSQL ended because of others', async () => {
    const { url } = await freshDatabase(server)
    const store = openStore({ connection: url, sweepInterval: 0 })
    const heard: StoreEvents['conflict'][] = []
    store.admin.on('conflict', event => heard.push(event))
    await store.kv.setMany([{ key: 'a', value: 1 }, { key: 'b', value: 1 }])
    let arrived = 0
    let meet = () => {}
    const both = new Promise<void>((resolve) => {
      meet = resolve
    })
    const crossing = (first: string, second: string) => store.transaction(async (tx) => {
      await tx.kv.increment(first)
      if (++arrived === 2) meet()
      await both
      await tx.kv.increment(second)
    }, { retries: 0 })
    const results = await Promise.allSettled([crossing('a', 'b'), crossing('b', 'a')])
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(heard).toContainEqual({ operation: 'kv.increment', table: 'nvent_kv', transaction: true, code: 'DATABASE' })
  })

  it('works on a pool of the caller', async () => {
    const { url } = await freshDatabase(server)
    const pool = openPool(url)
    const store = createStore({ pool, logger: quiet })
    expect(await store.admin.version()).toBe(migrations.length)
    expect(store.admin.metrics().pool).toMatchObject({ max: 10 })
    await store.close()
    await pool.end()
  })

  it('never shows the password', async () => {
    const logged: unknown[] = []
    const log = (...args: unknown[]) => void logged.push(...args)
    const url = serverUrl(server, { user: 'nobody_at_all', password: PASSWORD })
    const store = openStore({ connection: url, connectTimeout: 0, logger: { info: log, warn: log, error: log } })
    const told: unknown[] = []
    store.admin.on('connection:lost', payload => told.push(payload.error.message, payload.error.details))
    store.admin.on('error', payload => told.push((payload.error as Error).message))
    const error: unknown = await store.kv.get('a').catch((reason: unknown) => reason)
    const health = await store.admin.health()
    expect(health).toMatchObject({ status: 'down' })
    expect(told.length).toBeGreaterThan(1)
    const seen = [String(error), JSON.stringify(error), logged, told, health, prometheusText(store.admin.metrics())]
    expect(JSON.stringify(seen)).not.toContain(PASSWORD)
  })
})
