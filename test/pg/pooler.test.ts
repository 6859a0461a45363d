import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest'
import type { StoreOptions } from '../../src/runtime/core/options/types'
import { fromPool } from '../../src/runtime/core/db/pg/pg'
import { detectPooler } from '../../src/runtime/core/db/pg/pooler'
import { createStore } from '../../src/runtime/core/index'
import { freshDatabase, onFileEnd } from '../setup/database'
import { hasPgBouncer, startPgBouncer } from '../setup/pgbouncer'
import type { PgBouncer } from '../setup/pgbouncer'
import { openPool } from './servers'

describe.skipIf(!hasPgBouncer())('behind PgBouncer', () => {
  let transactions: PgBouncer
  let sessions: PgBouncer

  beforeAll(async () => {
    transactions = await startPgBouncer(inject('pg18'))
    sessions = await startPgBouncer(inject('pg18'), { pool_mode: 'session' })
  })
  afterAll(() => Promise.all([transactions?.stop(), sessions?.stop()]))

  async function open(bouncer: PgBouncer, options: StoreOptions = {}) {
    const database = await freshDatabase('pg18')
    const warnings: string[] = []
    const store = createStore({
      connection: bouncer.urlOf(database.url), logger: { info: () => {}, warn: message => void warnings.push(message), error: () => {} }, ...options,
    })
    onFileEnd(() => store.close())
    return { store, warnings, ...database }
  }

  /** Everything at once, from many connections: names that were prepared on one of them are asked for on others. */
  async function work({ store }: Awaited<ReturnType<typeof open>>) {
    await Promise.all(Array.from({ length: 60 }, async (_, at) => {
      await store.stream.append(`orders:${at % 7}`, { type: 'placed', data: at })
      await store.index.add('orders', String(at), at, { n: 0 })
      await store.index.update('orders', String(at), { status: 'paid' })
      await store.kv.increment('count')
      await store.transaction(async (tx) => {
        await tx.stream.append('orders:all', { type: 'placed', data: at })
        await tx.kv.increment('count')
      })
    }))
    expect(await store.kv.get('count')).toBe(120)
    expect(await store.stream.read('orders:all')).toHaveLength(60)
    expect(await store.index.count('orders', { status: 'paid' })).toBe(60)
  }

  const POOLER = expect.stringContaining('pooler in transaction mode') as string

  it('a store with `prepare: false` works and says nothing', async () => {
    const opened = await open(transactions, { prepare: false })
    await work(opened)
    expect(opened.warnings).toEqual([])
  })

  it('a store that would prepare finds the pooler at its start, says so once, and goes on without', async () => {
    const opened = await open(transactions)
    await opened.store.ready()
    expect(opened.warnings).toEqual([POOLER])
    await work(opened)
    expect(opened.warnings).toEqual([POOLER])
  })

  it('a store that was not warned at its start finds out by its statements; none of them is lost', async () => {
    // Its own pool looks like a server's, as on a pooler that is too busy to be recognised.
    const database = await freshDatabase('pg18')
    const warnings: string[] = []
    const pool = openPool(transactions.urlOf(database.url))
    onFileEnd(() => pool.end())
    pool.on('connect', client => Object.assign(client, { processID: undefined }))
    const store = createStore({ pool, batching: false, logger: { info: () => {}, warn: message => void warnings.push(message), error: () => {} } })
    for (let round = 0; round < 20; round++) {
      await Promise.all(Array.from({ length: 20 }, (_, at) => store.stream.append(`orders:${at % 5}`, { type: 'placed', data: round * 20 + at })))
    }
    expect(warnings).toEqual([POOLER])
    const events = (await Promise.all(Array.from({ length: 5 }, (_, at) => store.stream.read(`orders:${at}`)))).flat()
    expect(events.map(event => event.data as number).sort((a, b) => a - b)).toEqual(Array.from({ length: 400 }, (_, at) => at))
    await store.close()
  })

  it('in session mode statements are prepared as ever', async () => {
    const opened = await open(sessions, { poolSize: 4 })
    await work(opened)
    expect(opened.warnings).toEqual([])
    expect(await opened.store.transaction(async tx => (await tx.query('select count(*)::int as n from pg_prepared_statements')).rows[0]!.n)).toBeGreaterThan(0)
  })

  it('a server is told from both poolers', async () => {
    const { url } = await freshDatabase('pg18')
    const told = async (at: string, max?: number) => {
      const pool = openPool(at, max)
      try {
        return await detectPooler(pool)
      }
      finally {
        await pool.end()
      }
    }
    expect(await told(url)).toEqual({ pooler: 'none', losesNames: false })
    expect(await told(sessions.urlOf(url))).toEqual({ pooler: 'session', losesNames: false })
    expect(await told(transactions.urlOf(url))).toEqual({ pooler: 'transaction', losesNames: true })
    // One connection of the pool is enough.
    expect(await told(transactions.urlOf(url), 1)).toEqual({ pooler: 'transaction', losesNames: true })
  })

  it('a pooler in session mode without room for a second connection is one, and keeps no store from starting', async () => {
    const full = await startPgBouncer(inject('pg18'), { pool_mode: 'session', default_pool_size: '1' })
    onFileEnd(() => full.stop())
    const opened = await open(full, { poolSize: 1, listenConnection: inject('pg18') })
    await opened.store.kv.set('a', 1)
    expect(await opened.store.kv.get('a')).toBe(1)
    expect(opened.warnings).toEqual([])
  })

  it('what the start has found is what a doctor is told, without another look', async () => {
    const { url } = await freshDatabase('pg18')
    const pool = openPool(transactions.urlOf(url))
    onFileEnd(() => pool.end())
    const db = fromPool(pool, { prepare: true, queryTimeout: 0, logger: { info() {}, warn() {}, error() {} } })
    await db.inspect()
    const sent = vi.spyOn(pool, 'connect')
    expect(await db.pooler()).toBe('transaction')
    expect(sent).not.toHaveBeenCalled()
  })

  it('a subscription follows by polling', async () => {
    const { store } = await open(transactions, { prepare: false, pollInterval: 20 })
    const seen: unknown[] = []
    await store.stream.subscribe('orders:1', event => void seen.push(event.data))
    for (let at = 0; at < 5; at++) await store.stream.append('orders:1', { type: 'placed', data: at })
    await expect.poll(() => seen).toEqual([0, 1, 2, 3, 4])
  })

  it('start-up parameters it refuses are one clear error at once', async () => {
    const { url } = await freshDatabase('pg18')
    const store = createStore({
      connection: { connectionString: transactions.urlOf(url), statement_timeout: 1_000 }, connectTimeout: 3_600_000, logger: { info() {}, warn() {}, error() {} },
    })
    onFileEnd(() => store.close())
    await expect(store.kv.get('a')).rejects.toMatchObject({
      code: 'CONNECTION', retryable: false, message: expect.stringMatching(/unsupported startup parameter.*alter role/) as string,
    })
  })

  it('eight stores that start at once migrate once', async () => {
    const { url } = await freshDatabase('pg18')
    const stores = Array.from({ length: 8 }, () => createStore({ connection: transactions.urlOf(url), prepare: false, poolSize: 2 }))
    const infos = await Promise.all(stores.map(store => store.ready()))
    expect(infos.reduce((sum, { applied }) => sum + applied, 0)).toBe(infos[0]!.schemaVersion)
    await Promise.all(stores.map(store => store.close()))
  })
})

describe('migrationConnection', () => {
  it('is where the tables are made, and let go of after it', async () => {
    const { url, name, sql } = await freshDatabase('pg18')
    const app = new URL(url)
    const role = `app_${name}`
    await sql(`create role ${pg.escapeIdentifier(role)} login password 'app'`)
    onFileEnd(async () => {
      await sql(`drop owned by ${pg.escapeIdentifier(role)}`)
      await sql(`drop role ${pg.escapeIdentifier(role)}`)
    })
    await sql(`alter default privileges grant select, insert, update, delete on tables to ${pg.escapeIdentifier(role)}`)
    await sql(`alter default privileges grant usage, select, update on sequences to ${pg.escapeIdentifier(role)}`)
    app.username = role
    app.password = 'app'
    const quiet = { info: () => {}, warn: () => {}, error: () => {} }
    const without = createStore({ connection: app.href, connectTimeout: 0, logger: quiet })
    await expect(without.ready()).rejects.toMatchObject({ message: expect.stringContaining('permission denied') as string })
    await without.close()

    const store = createStore({ connection: app.href, migrationConnection: { connectionString: url, application_name: 'migrates' }, logger: quiet })
    expect(await store.ready()).toMatchObject({ applied: expect.any(Number) as number })
    await store.kv.set('a', 1)
    expect(await store.transaction(async tx => (await tx.query('select current_user as name')).rows)).toEqual([{ name: role }])
    expect(await sql('select 1 from pg_stat_activity where application_name = \'migrates\'')).toEqual([])
    await store.close()
  })

  it('must be a connection', () => {
    expect(() => createStore({ connection: 'pglite://memory', migrationConnection: '' })).toThrow(/migrationConnection/)
    expect(() => createStore({ connection: 'pglite://memory', listenConnection: 5 as never })).toThrow(/listenConnection/)
  })
})
