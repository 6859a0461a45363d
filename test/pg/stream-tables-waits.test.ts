import pg from 'pg'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { dropStreamTable, listStreamTables } from '../../src/runtime/core/schema/api'
import type { StoreOptions } from '../../src/runtime/core/options/types'
import { freshDatabase, openStore } from '../setup/database'
import type { Database } from '../setup/database'
import { openPool, servers } from './servers'

describe.each(servers)('a new subject type beside a transaction that reads all events for long, on $name', ({ server }) => {
  let database: Database

  beforeEach(async () => {
    database = await freshDatabase(server)
  })

  const open = (options?: StoreOptions) => openStore({ connection: database.url, ...options })
  const tables = async () => (await listStreamTables(database.pool)).map(table => table.subjectPrefix)

  /** Holds what a dump holds until it is told to end. */
  async function read(): Promise<() => Promise<unknown>> {
    const reader = new pg.Client({ connectionString: database.url })
    await reader.connect()
    onTestFinished(() => reader.end())
    await reader.query('begin; lock table nvent_events, nvent_events_default in access share mode')
    return () => reader.query('rollback')
  }

  it('holds up no append and no read of any process, and gets its table when the reader has ended', async () => {
    const [store, other] = [open(), open()]
    await store.stream.append('known:1', { type: 'x' })
    await other.ready()
    const end = await read()
    // All of these end while the reader is still there: none waits for it.
    for (const type of ['a', 'b', 'c']) await store.stream.append(`${type}:1`, { type: 'x' })
    await Promise.all(Array.from({ length: 50 }, async (_, at) => {
      await other.stream.append('known:1', { type: 'x', data: at })
      await other.stream.read('a:1')
    }))
    expect(await tables()).toEqual(['known'])
    await end()
    await expect.poll(tables).toEqual(['a', 'b', 'c', 'known'])
    expect(await store.stream.read('a:1')).toHaveLength(1)
    expect(await database.sql('select count(*)::int as left from nvent_events_default')).toEqual([{ left: 0 }])
  })

  it('asks for no lock at all once there are as many tables as there may be', async () => {
    await open({ maxStreamTables: 1 }).stream.append('first:1', { type: 'x' })
    const sent: string[] = []
    const pool = openPool(database.url)
    onTestFinished(() => pool.end())
    pool.on('connect', (client) => {
      const query = client.query.bind(client) as (...given: unknown[]) => unknown
      client.query = ((...given: [{ text: string }]) => {
        sent.push(given[0].text)
        return query(...given)
      }) as typeof client.query
    })
    const store = open({ pool, connection: undefined, maxStreamTables: 1 })
    for (let at = 0; at < 20; at++) await store.stream.append(`t${at}:1`, { type: 'x' })
    expect(sent.filter(text => /pg_inherits/.test(text))).toHaveLength(1)
    // But for the one that each write takes, once while the inline projections are read.
    expect(sent.filter(text => /lock table(?!.* in row exclusive mode)/.test(text))).toEqual([])
    expect(await tables()).toEqual(['first'])
  })

  it('is dropped when the reader has ended, and blocks no other call before that', async () => {
    const store = open()
    await store.stream.append('gone:1', { type: 'x' })
    const end = await read()
    const dropping = dropStreamTable(database.pool, 'nvent', 'gone')
    for (let at = 0; at < 20; at++) await store.stream.append('other:1', { type: 'x' })
    expect(await tables()).toEqual(['gone'])
    await end()
    expect(await dropping).toBe(true)
    expect(await store.stream.read('gone:1')).toEqual([])
  })

  it('is dropped when a transaction that appends has ended, and holds up no append to its other subjects before that', async () => {
    const store = open()
    for (const subject of ['held:1', 'held:2', 'held:3']) await store.stream.append(subject, { type: 'x' })
    let end = () => {}
    const holding = store.transaction(async (tx) => {
      await tx.stream.append('held:2', { type: 'x' })
      await new Promise<void>((resolve) => {
        end = resolve
      })
    })
    const waiting = () => database.sql('select 1 from pg_stat_activity where wait_event_type = \'Lock\' and query like \'%for update%\' and pid <> pg_backend_pid() and datname = current_database()')
    const dropping = store.admin.dropStreamTable('held')
    await expect.poll(waiting, { interval: 5, timeout: 20_000 }).toHaveLength(1)
    for (let at = 0; at < 5; at++) for (const subject of ['held:1', 'held:3']) await store.stream.append(subject, { type: 'x' })
    expect(await tables()).toEqual(['held'])
    end()
    await holding
    expect(await dropping).toBe(true)
    expect(await store.stream.current('held:1')).toBeNull()
  })

  it('is dropped once when several processes drop it at the same time', async () => {
    const store = open()
    for (let round = 0; round < 5; round++) {
      await store.stream.append('once:1', { type: 'x' })
      const outcomes = await Promise.all(Array.from({ length: 4 }, () => store.admin.dropStreamTable('once')))
      expect(outcomes.filter(dropped => dropped)).toHaveLength(1)
    }
  })

  it('is dropped while retention is at it, which goes on with the others', async () => {
    const store = open({ retention: [{ subject: '*', maxCount: 1, action: 'drop' }] })
    for (let round = 0; round < 5; round++) {
      const events = Array.from({ length: 3_000 }, () => ({ type: 'x' }))
      for (const type of ['dropped', 'stays']) await store.stream.appendMany(`${type}:1`, events)
      const run = store.admin.retention.run()
      await Promise.all([1, 2, 3].map(() => store.admin.dropStreamTable('dropped')))
      await run
      expect(await store.stream.read('stays:1')).toHaveLength(1)
    }
  })

  it('is dropped without what retention has archived of its subjects, whose versions go on', async () => {
    const store = open({ retention: [{ subject: 'kept:*', maxCount: 1, action: 'archive' }] })
    for (let data = 1; data <= 3; data++) await store.stream.append('kept:1', { type: 'x', data })
    await store.stream.append('kept:2', { type: 'x' })
    await store.admin.retention.run()
    expect(await store.admin.dropStreamTable('kept')).toBe(true)
    await store.stream.append('kept:1', { type: 'x', data: 4 })
    await store.stream.append('kept:2', { type: 'x' })
    expect((await store.stream.read('kept:1', { archived: true })).map(({ data }) => data)).toEqual([1, 2, 4])
    const pages: unknown[] = []
    for await (const { data } of store.stream.iterate('kept:1', { archived: true, pageSize: 1 })) pages.push(data)
    expect(pages).toEqual([1, 2, 4])
    expect([await store.stream.current('kept:1'), await store.stream.current('kept:2')]).toMatchObject([{ version: 4 }, { version: 1 }])
  })

  it('is given up with the store', async () => {
    const store = open()
    await store.ready()
    const end = await read()
    await store.stream.append('late:1', { type: 'x' })
    await store.close()
    await end()
    expect(await tables()).toEqual([])
  })
})
