import { describe, expect, it } from 'vitest'
import type { RetentionRule, StoreOptions } from '../../src/runtime/core/index'
import { freshDatabase, openStore } from '../setup/database'
import type { Database } from '../setup/database'
import { servers } from './servers'

const HOUR_MS = 3_600_000
const old: RetentionRule[] = [{ subject: 'orders:*', maxAge: '1h', action: 'drop' }]

interface Plan { 'Node Type': string, 'Plans'?: Plan[] }

const nodesOf = (plan: Plan): string[] => [plan['Node Type'], ...(plan.Plans ?? []).flatMap(nodesOf)]

describe.each(servers)('retention on $name', ({ server }) => {
  async function filled(options: StoreOptions = {}, events = 3_000) {
    const database = await freshDatabase(server)
    const open = (more?: StoreOptions) => openStore({ connection: database.url, retention: old, retentionInterval: 0, ...options, ...more })
    const store = open()
    await store.stream.append('orders:1', { type: 'first' })
    await store.stream.appendMany('orders:1', Array.from({ length: events - 1 }, () => ({ type: 'a' })))
    await database.sql(`update nvent_events set ts = ts - ${2 * HOUR_MS}`)
    return { database, store, open }
  }
  const count = async ({ sql }: Database) => (await sql<{ count: number }>('select count(*)::int as count from nvent_events'))[0]!.count

  it('is done by one instance at a time', async () => {
    const { database, store, open } = await filled()
    const client = await database.pool.connect()
    try {
      // The key as another instance computes it: whoever runs holds it.
      const [lock] = await keysTakenBy(database, () => store.admin.retention.run())
      await store.stream.append('orders:1', { type: 'a' })
      await database.sql(`update nvent_events set ts = ts - ${2 * HOUR_MS}`)
      await client.query('begin')
      await client.query('select pg_advisory_xact_lock($1::bigint)', [lock])
      const other = open()
      expect(await other.admin.retention.run()).toMatchObject({ busy: true, events: 0 })
      expect(other.admin.metrics().retention).toMatchObject({ runs: 1, busy: 1, failures: 0 })
      expect(await count(database)).toBe(1)
      await client.query('commit')
      expect(await other.admin.retention.run()).toMatchObject({ busy: false, events: 1 })
    }
    finally {
      client.release(true)
    }
  })

  it('takes each event once when several instances run at once, and archives each once', async () => {
    const { database, open } = await filled({ retention: [{ ...old[0]!, action: 'archive' }] })
    const stores = [open(), open(), open()]
    await Promise.all(stores.map(store => store.ready()))
    const reports = await Promise.all(stores.map(store => store.admin.retention.run()))
    let taken = reports.reduce((sum, { events }) => sum + events, 0)
    while (await count(database) > 0) taken += (await stores[0]!.admin.retention.run()).events
    expect(taken).toBe(3_000)
    expect(await database.sql('select count(*)::int as count, count(distinct id)::int as ids from nvent_events_archive')).toEqual([{ count: 3_000, ids: 3_000 }])
  })

  it('goes in transactions of a bounded number of rows', async () => {
    const { database, store } = await filled()
    await database.sql(`create table steps (n int); create function noted() returns trigger language plpgsql as
      'begin insert into steps select count(*) from gone; return null; end';
      create trigger noted after delete on nvent_stream_orders referencing old table as gone for each statement execute function noted()`)
    await store.admin.retention.run()
    expect(await database.sql('select n from steps where n > 0')).toEqual([{ n: 1_000 }, { n: 1_000 }, { n: 1_000 }])
  })

  it('does not make appends wait, nor wait for rows that another transaction holds', async () => {
    const { database, store } = await filled({}, 10)
    const client = await database.pool.connect()
    try {
      await client.query('begin')
      await client.query('delete from nvent_stream_orders where version <= 3')
      expect(await store.admin.retention.run()).toMatchObject({ events: 7 })
      // What a step holds until it commits: held here for good, appends go on.
      await client.query('rollback')
      await client.query('begin')
      await client.query('delete from nvent_stream_orders')
      expect(await store.stream.append('orders:1', { type: 'next' })).toMatchObject({ type: 'next' })
      await client.query('rollback')
    }
    finally {
      client.release(true)
    }
    expect(await database.sql('select version::int from nvent_stream_orders order by version')).toEqual([1, 2, 3, 11].map(version => ({ version })))
    expect(await store.admin.retention.run()).toMatchObject({ events: 3 })
  })

  it('loses nothing when it is cut off: a step is archived and deleted, or neither', async () => {
    const { database, store } = await filled({ retention: [{ ...old[0]!, action: 'archive' }] })
    await database.sql(`create function refuse() returns trigger language plpgsql as
      'begin if (select count(*) from nvent_events_archive) >= 2000 then raise exception ''cut off''; end if; return null; end';
      create trigger refuse after delete on nvent_stream_orders for each statement execute function refuse()`)
    await expect(store.admin.retention.run()).rejects.toMatchObject({ code: 'DATABASE' })
    expect(store.admin.metrics().retention).toMatchObject({ failures: 1, lastError: 'DATABASE' })
    expect(await store.admin.health()).toMatchObject({ status: 'degraded', checks: { retention: { status: 'degraded' } } })
    const [kept] = await database.sql<{ archived: number, left: number }>(
      'select (select count(*) from nvent_events_archive)::int as archived, (select count(*) from nvent_events)::int as left')
    expect(kept!.archived + kept!.left).toBe(3_000)
    await database.sql('drop trigger refuse on nvent_stream_orders')
    await store.admin.retention.run()
    expect(await database.sql('select count(*)::int as count from nvent_events_archive')).toEqual([{ count: 3_000 }])
    expect(await store.admin.health()).toMatchObject({ status: 'ok' })
  })

  it.each<[name: string, rule: RetentionRule]>([
    ['of whole tables by the primary key', old[0]!],
    ['of some subjects by their index', { subject: 'orders:7*', maxAge: '1h', action: 'drop' }],
    ['by count through the index on versions', { subject: 'orders:*', maxCount: 5, action: 'drop' }],
  ])('finds its events %s', async (_, rule) => {
    const database = await freshDatabase(server)
    const store = openStore({ connection: database.url, retention: [rule], retentionInterval: 0 })
    await store.stream.append('orders:0', { type: 'a' })
    await database.sql(`insert into nvent_stream_orders (tenant_id, subject_prefix, subject, version, ts, type)
      select '', 'orders', 'orders:' || s, v, 4102444800000, 'a' from generate_series(1, 200) s, generate_series(1, 200) v`)
    await database.sql('analyze nvent_stream_orders')
    const [statement] = await statementsOf(database, () => store.admin.retention.run())
    const [row] = await database.sql<{ 'QUERY PLAN': [{ Plan: Plan }] }>(statement!.text.replace(/^/, 'explain (format json) '), statement!.values)
    expect(nodesOf(row!['QUERY PLAN'][0].Plan)).not.toContain('Seq Scan')
  })
})

/** Advisory keys that are held while work is under way. */
async function keysTakenBy({ sql }: Database, work: () => Promise<unknown>): Promise<string[]> {
  await sql(`create table taken (key bigint); create function note_key() returns trigger language plpgsql as
    'begin insert into taken select (classid::bigint << 32) | objid::bigint from pg_locks
      where locktype = ''advisory'' and pid = pg_backend_pid() and granted; return null; end';
    create trigger note_key after delete on nvent_stream_orders for each statement execute function note_key()`)
  await work()
  await sql('drop trigger note_key on nvent_stream_orders')
  return (await sql<{ key: string }>('select distinct key from taken')).map(({ key }) => key)
}

/** The steps of a run, as they are sent. */
async function statementsOf(database: Database, work: () => Promise<unknown>): Promise<{ text: string, values: unknown[] }[]> {
  const { Client } = (await import('pg')).default
  const sent: { text: string, values: unknown[] }[] = []
  const query = Client.prototype.query
  Client.prototype.query = function (this: unknown, ...args: never[]) {
    const [config] = args as unknown as [{ text?: string, values?: unknown[] }]
    if (config.text?.includes('victim as')) sent.push({ text: config.text, values: config.values ?? [] })
    return Reflect.apply(query, this, args) as never
  } as never
  try {
    await work()
  }
  finally {
    Client.prototype.query = query
  }
  return sent
}
