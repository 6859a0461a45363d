import type { Pool } from 'pg'
import { beforeEach, describe, expect, it } from 'vitest'
import { dropStreamTable, listStreamTables, runMigrations } from '../../src/runtime/core/schema/api'
import type { StoreOptions } from '../../src/runtime/core/options/types'
import type { Store } from '../../src/runtime/core/types'
import { freshDatabase, openStore } from '../setup/database'
import type { Database, Row } from '../setup/database'
import { openPool, servers } from './servers'

interface EventRow extends Row { data: number, version: string, id: string, table: string }

describe.each(servers)('stream tables on $name', ({ server }) => {
  let database: Database
  let pool: Pool

  beforeEach(async () => {
    database = await freshDatabase(server)
    pool = openPool(database.url)
    return () => pool.end()
  })

  const open = (options?: StoreOptions) => openStore({ connection: database.url, ...options })
  const tables = async () => (await listStreamTables(pool)).map(({ subjectPrefix, tableName }) => `${subjectPrefix} → ${tableName}`)
  const dataOf = async (store: Store, subject: string) => (await store.stream.read(subject)).map(event => event.data as number)
  const rowsOf = (subject: string) => database.sql<EventRow>(
    'select data::int, version, id, tableoid::regclass::text as table from nvent_events where subject = $1 order by version', [subject])
  const append = async (store: Store, subject: string, ...numbers: number[]) => {
    for (const data of numbers) await store.stream.append(subject, { type: 'counted', data })
  }

  describe('are made', () => {
    it('at the first append of a subject prefix, and are listed by it', async () => {
      const store = open()
      expect(await tables()).toEqual([])
      await store.stream.read('nq:flow:a')
      await store.stream.delete('nq:flow:a')
      expect(await tables()).toEqual([])
      await append(store, 'nq:flow:a', 1, 2)
      await append(store, 'nq:flow:b', 3)
      await append(store, 'nq:trigger:a', 4)
      await append(store, 'orders:1', 5)
      expect(await listStreamTables(pool, 'nvent')).toEqual([
        { subjectPrefix: 'nq:flow', tableName: 'nvent_stream_flow' },
        { subjectPrefix: 'orders', tableName: 'nvent_stream_orders' },
        { subjectPrefix: 'nq:trigger', tableName: 'nvent_stream_trigger' },
      ])
      expect((await rowsOf('nq:flow:a')).map(row => [row.data, row.table])).toEqual([[1, 'nvent_stream_flow'], [2, 'nvent_stream_flow']])
      expect(await database.sql('select count(*)::int as count from nvent_stream_flow')).toEqual([{ count: 3 }])
    })

    it('once, however many stores append at the same time', async () => {
      const warned: string[] = []
      const logger = { info: () => {}, warn: (message: string) => void warned.push(message), error: (message: string) => void warned.push(message) }
      const stores = Array.from({ length: 8 }, () => open({ poolSize: 3, logger }))
      await Promise.all(stores.map(store => store.ready()))
      await Promise.all(stores.flatMap((store, at) => [1, 2, 3].map(async (data) => {
        await append(store, `orders:${at % 2}`, data)
        await append(store, `nq:flow:${at}`, data)
      })))
      expect(await tables()).toEqual(['nq:flow → nvent_stream_flow', 'orders → nvent_stream_orders'])
      expect(await database.sql('select tableoid::regclass::text as table, count(*)::int as count from nvent_events group by 1 order by 1'))
        .toEqual([{ table: 'nvent_stream_flow', count: 24 }, { table: 'nvent_stream_orders', count: 24 }])
      expect((await rowsOf('orders:1')).map(({ version }) => Number(version))).toEqual(Array.from({ length: 12 }, (_, at) => at + 1))
      expect(warned).toEqual([])
    })

    it('for the same type under several prefixes', async () => {
      const store = open()
      for (const [at, subject] of ['nq:flow:1', 'app:flow:1', 'flow:1', 'x:y-z:1', 'x-y:z:1', 'x_y:z:1'].entries()) await append(store, subject, at)
      expect(await tables()).toEqual([
        'app:flow → nvent_stream_app_flow', 'nq:flow → nvent_stream_flow', 'x:y-z → nvent_stream_y-z', 'x-y:z → nvent_stream_z', 'x_y:z → nvent_stream_x_y_z',
      ].sort((a, b) => a.split(' → ')[1]! < b.split(' → ')[1]! ? -1 : 1))
      for (const [at, subject] of ['nq:flow:1', 'app:flow:1', 'flow:1', 'x:y-z:1', 'x-y:z:1', 'x_y:z:1'].entries()) {
        expect(await dataOf(store, subject)).toEqual([at])
      }
      // Its type is taken, and there is no longer name for it.
      expect((await rowsOf('flow:1'))[0]!.table).toBe('nvent_events_default')
    })

    it('for names only: what comes from a user stays in the default partition', async () => {
      const store = open()
      const subjects = [
        'orders', '42:1', 'a b:1', 'o\'brien:1', '"quoted":1', 'a.b:1', 'é:1', ':1', 'x::1', `${'x'.repeat(33)}:1`, 'a;drop table nvent_kv:1', '%:1',
        'x:\':1', 'x:\');--:1', 'line\nbreak:1',
      ]
      for (const [at, subject] of subjects.entries()) {
        await append(store, subject, at)
        expect(await dataOf(store, subject)).toEqual([at])
        expect((await rowsOf(subject)).map(({ table }) => table)).toEqual(['nvent_events_default'])
      }
      expect(await tables()).toEqual([])
    })

    it('as long as their names fit', async () => {
      const store = open({ prefix: 'p'.repeat(32), subjectPrefix: 'nvent' })
      const [short, long] = ['a'.repeat(23), 'b'.repeat(24)]
      await append(store, `${short}:1`, 1)
      await append(store, `${long}:1`, 2)
      expect(await listStreamTables(pool, 'p'.repeat(32))).toEqual([{ subjectPrefix: short, tableName: `${'p'.repeat(32)}_stream_${short}` }])
      expect(await dataOf(store, `${long}:1`)).toEqual([2])
    })

    it('up to a cap: further prefixes share the default partition', async () => {
      const store = open({ maxStreamTables: 2 })
      for (const type of ['a', 'b', 'c', 'd']) await append(store, `${type}:1`, 1)
      const second = open({ maxStreamTables: 2 })
      for (const type of ['d', 'e', 'a']) await append(second, `${type}:1`, 2)
      expect(await tables()).toEqual(['a → nvent_stream_a', 'b → nvent_stream_b'])
      expect(await Promise.all(['a', 'b', 'c', 'd', 'e'].map(type => dataOf(store, `${type}:1`)))).toEqual([[1, 2], [1], [1], [1, 2], [2]])
      const none = open({ maxStreamTables: 0 })
      await append(none, 'f:1', 1)
      expect(await tables()).toHaveLength(2)
    })

    it('up to a cap when many prefixes come at the same time', async () => {
      const stores = [open({ maxStreamTables: 3 }), open({ maxStreamTables: 3 })]
      await Promise.all(Array.from({ length: 20 }, (_, at) => append(stores[at % 2]!, `t${at}:1`, at)))
      expect(await tables()).toHaveLength(3)
      expect(await database.sql('select count(*)::int as count from nvent_events')).toEqual([{ count: 20 }])
    })
  })

  describe('take over what came before them', () => {
    it('in a transaction, in order and with their versions', async () => {
      const store = open()
      await store.transaction(async (tx) => {
        for (const data of [1, 2, 3]) await tx.stream.append('orders:1', { type: 'counted', data })
        await tx.stream.append('orders:2', { type: 'counted', data: 9 })
        await tx.stream.append('other', { type: 'counted', data: 10 })
        expect(await tables()).toEqual([])
      })
      expect(await tables()).toEqual(['orders → nvent_stream_orders'])
      expect(await dataOf(store, 'orders:1')).toEqual([1, 2, 3])
      await append(store, 'orders:1', 4)
      const rows = await rowsOf('orders:1')
      expect(rows.map(row => [row.data, Number(row.version), row.table])).toEqual([1, 2, 3, 4].map(data => [data, data, 'nvent_stream_orders']))
      expect([await dataOf(store, 'orders:1'), await dataOf(store, 'orders:2'), await dataOf(store, 'other')]).toEqual([[1, 2, 3, 4], [9], [10]])
      expect(await store.stream.read('orders:1', { after: rows[1]!.id })).toHaveLength(2)
    })

    it('with autoMigrate off, while that store goes on', async () => {
      await runMigrations(pool)
      const passive = open({ autoMigrate: false })
      await append(passive, 'orders:1', 1, 2)
      expect(await tables()).toEqual([])
      const active = open()
      await append(active, 'orders:1', 3)
      await append(passive, 'orders:1', 4)
      expect(await tables()).toEqual(['orders → nvent_stream_orders'])
      expect([await dataOf(active, 'orders:1'), await dataOf(passive, 'orders:1')]).toEqual([[1, 2, 3, 4], [1, 2, 3, 4]])
      expect(new Set((await rowsOf('orders:1')).map(({ table }) => table))).toEqual(new Set(['nvent_stream_orders']))
    })

    it('only when there is not too much of it: then it stays where it is', async () => {
      const store = open()
      await store.ready()
      await database.sql(`insert into nvent_events (subject_prefix, subject, ts, type, data, version)
        select 'orders', 'orders:1', 1, 'counted', to_jsonb(at), at from generate_series(1, 10001) at`)
      await database.sql('insert into nvent_heads (subject, version, first_id, last_ts) values (\'orders:1\', 10001, 0, 1)')
      await append(store, 'orders:1', 10002)
      expect(await tables()).toEqual([])
      expect(await dataOf(store, 'orders:1')).toEqual(Array.from({ length: 10002 }, (_, at) => at + 1))
    })

    it('unless a transaction holds on to them: nothing waits for ever, and the next store makes the table', async () => {
      const store = open()
      await store.transaction(async (tx) => {
        await tx.stream.append('orders:1', { type: 'counted', data: 1 })
        // Outside the transaction, which it would have to wait for.
        await append(store, 'orders:2', 2)
      })
      expect([await dataOf(store, 'orders:1'), await dataOf(store, 'orders:2')]).toEqual([[1], [2]])
      expect(await tables()).toEqual([])
      await append(open(), 'orders:1', 3)
      expect(await tables()).toEqual(['orders → nvent_stream_orders'])
      await append(store, 'orders:1', 4)
      expect(await dataOf(store, 'orders:1')).toEqual([1, 3, 4])
    })
  })

  it('are found by a store that doesn\'t know of them yet', async () => {
    const [first, second] = [open(), open()]
    await second.ready()
    await append(first, 'orders:1', 1)
    expect(await dataOf(second, 'orders:1')).toEqual([1])
    expect(await second.transaction(tx => tx.stream.read('orders:1'))).toHaveLength(1)
    await append(second, 'orders:1', 2)
    expect(await dataOf(first, 'orders:1')).toEqual([1, 2])
    expect(await second.stream.delete('orders:1')).toBe(true)
    expect(await dataOf(first, 'orders:1')).toEqual([])
    await append(first, 'orders:1', 3)
    expect((await rowsOf('orders:1')).map(({ version }) => Number(version))).toEqual([1])
  })

  it('are dropped by their prefix, and their subjects start again', async () => {
    const store = open()
    await append(store, 'nq:flow:1', 1, 2)
    await append(store, 'app:flow:1', 3)
    await append(store, 'nvent:flow:run:1', 4)
    const [before] = await store.stream.read('nq:flow:1', { order: 'desc', limit: 1 })
    expect(await dropStreamTable(pool, 'nvent', 'nq:flow')).toBe(true)
    expect(await tables()).toEqual(['app:flow → nvent_stream_app_flow'])
    expect([await dropStreamTable(pool, 'nvent', 'nq:flow'), await dropStreamTable(pool, 'nvent', 'nq'), await dropStreamTable(pool, 'nvent', '')]).toEqual([false, false, false])
    expect(await Promise.all(['nq:flow:1', 'app:flow:1', 'nvent:flow:run:1'].map(subject => dataOf(store, subject)))).toEqual([[], [3], [4]])
    await append(store, 'nq:flow:1', 5)
    const [row] = await rowsOf('nq:flow:1')
    expect([row!.data, Number(row!.version), row!.table]).toEqual([5, 1, 'nvent_stream_flow'])
    expect(BigInt(row!.id)).toBeGreaterThan(BigInt(before!.id))
    expect(await store.stream.delete('nq:flow:1')).toBe(true)
  })
})
