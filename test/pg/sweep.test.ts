import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import { eventually } from '../setup/eventually'
import type { StoreEvents, StoreOptions } from '../../src/runtime/core/index'
import { freshDatabase, openStore } from '../setup/database'
import { servers } from './servers'

describe.each(servers)('the sweep on $name', ({ server }) => {
  async function expired(options: StoreOptions) {
    const database = await freshDatabase(server)
    const open = (more: StoreOptions = options) => openStore({ connection: database.url, ...more })
    const store = open({ sweepInterval: 0 })
    await store.ready()
    await database.sql(`insert into nvent_kv (key, value, expires_at) select 'k' || n, '1', now() - interval '1 hour' from generate_series(1, 2500) n`)
    const left = async () => (await database.sql<{ count: number }>('select count(*)::int as count from nvent_kv'))[0]!.count
    return { database, open, left }
  }

  it('removes everything in bounded steps, without being asked', async () => {
    const { database, open, left } = await expired({ sweepInterval: 20 })
    await database.sql(`create table steps (n int); create function noted() returns trigger language plpgsql as
      'begin insert into steps select count(*) from gone; return null; end';
      create trigger noted after delete on nvent_kv referencing old table as gone for each statement execute function noted()`)
    const store = open()
    await store.ready()
    await eventually(async () => expect(await left()).toBe(0))
    expect(await database.sql('select n from steps where n > 0')).toEqual([{ n: 1_000 }, { n: 1_000 }, { n: 500 }])
    await eventually(() => expect(store.admin.metrics().sweep).toMatchObject({ removed: 2_500, failures: 0 }))
  })

  it('removes claimed keys that have expired, some pages of the table at a time', async () => {
    const database = await freshDatabase(server)
    const store = openStore({ connection: database.url, sweepInterval: 0 })
    await store.ready()
    await database.sql(`insert into nvent_dedupe (key, expires_at) select n || repeat('x', 1000), now() + case when n % 100 = 0 then interval '1 hour' else interval '-1 hour' end
      from generate_series(1, 2500) n`)
    await database.sql(`create table steps (n int); create function noted() returns trigger language plpgsql as
      'begin insert into steps select count(*) from gone; return null; end';
      create trigger noted after delete on nvent_dedupe referencing old table as gone for each statement execute function noted()`)
    const sweeping = openStore({ connection: database.url, sweepInterval: 20 })
    await sweeping.ready()
    const left = async () => (await database.sql<{ count: number }>('select count(*)::int as count from nvent_dedupe'))[0]!.count
    await eventually(async () => expect(await left()).toBe(25))
    const [steps] = await database.sql<{ most: number, all: number }>('select max(n)::int as most, sum(n)::int as all from steps')
    expect(steps).toEqual({ most: expect.any(Number) as number, all: 2_475 })
    // 64 pages of eight kilobytes.
    expect(steps!.most).toBeLessThanOrEqual(64 * 8)
    await eventually(() => expect(sweeping.admin.metrics().sweep).toMatchObject({ removed: 2_475, failures: 0 }))
    expect(await store.dedupe.seen(`100${'x'.repeat(1000)}`)).toBe(true)
  })

  it('is left to the instance that is at it', async () => {
    const { database, open, left } = await expired({ sweepInterval: 20 })
    // The first instance stands still inside a step for as long as this transaction holds the lock of the trigger.
    await database.sql(`create function stand_still() returns trigger language plpgsql as
      'begin perform pg_advisory_xact_lock_shared(42); return null; end';
      create trigger stand_still after delete on nvent_kv for each statement execute function stand_still()`)
    const client = await database.pool.connect()
    try {
      await client.query('begin')
      await client.query('select pg_advisory_xact_lock(42)')
      const stores = [open(), open()]
      await Promise.all(stores.map(store => store.ready()))
      const busy = () => stores.map(store => store.admin.metrics().sweep.busy)
      await eventually(() => expect(Math.max(...busy())).toBeGreaterThan(2))
      expect(Math.min(...busy()), 'one of them is at work').toBe(0)
      expect(await left()).toBe(2_500)
      await client.query('commit')
      await eventually(async () => expect(await left()).toBe(0))
    }
    finally {
      client.release(true)
    }
  })

  it('is off with an interval of 0', async () => {
    const { open, left } = await expired({ sweepInterval: 0 })
    const store = open()
    await store.ready()
    await sleep(300)
    expect(await left()).toBe(2_500)
    expect(store.admin.metrics().sweep).toMatchObject({ runs: 0, lastRunAt: null })
  })

  it('connects no store that has not been used', async () => {
    const { database, open } = await expired({ sweepInterval: 10 })
    const store = open({ sweepInterval: 10, retentionInterval: 10, retention: [{ subject: '*', maxCount: 1, action: 'drop' }] })
    await sleep(300)
    expect(store.admin.metrics()).toMatchObject({ pool: null, sweep: { runs: 0 }, retention: { runs: 0 } })
    expect(await database.sql('select key from nvent_kv limit 1')).toHaveLength(1)
  })

  it('that fails is told, and tried again', async () => {
    const { database, open, left } = await expired({ sweepInterval: 20 })
    await database.sql(`create function refuse() returns trigger language plpgsql as 'begin raise exception ''refused''; end';
      create trigger refuse before delete on nvent_kv for each statement execute function refuse()`)
    const warn = vi.fn()
    const store = open({ sweepInterval: 20, logger: { info: () => {}, warn, error: () => {} } })
    const heard: StoreEvents['error'][] = []
    store.admin.on('error', event => heard.push(event))
    await store.ready()
    await eventually(() => expect(heard.length).toBeGreaterThan(1))
    expect(heard[0]).toMatchObject({ operation: 'sweep', error: { code: 'DATABASE' } })
    expect(warn).toHaveBeenCalledWith('expired keys could not be removed: refused')
    expect(await store.admin.health()).toMatchObject({ status: 'degraded', checks: { sweep: { status: 'degraded', reason: 'the last run failed with DATABASE' } } })
    await database.sql('drop trigger refuse on nvent_kv')
    await eventually(async () => expect(await left()).toBe(0))
  })
})
