import { beforeEach, describe, expect, it } from 'vitest'
import { adoptionPlan, migrations, rollbackTo, runMigrations } from '../../src/runtime/core/schema/api'
import { emptyDirectory, runCli } from '../setup/commandLine'
import { freshDatabase, openStore } from '../setup/database'
import type { Database } from '../setup/database'
import { openPeer } from '../setup/peer/index'
import type { Peer } from '../setup/peer/index'
import { columnsOf, everything, indexesOf, namesIn } from './catalog'
import { START, contentOf, expectSame, fill } from './published'
import { servers } from './servers'

const LATEST = migrations.length
const FEW = { flows: 3, runs: 12, events: 120, triggers: 4, fires: 20, jobs: 6, keys: 30 }
const MANY = { flows: 20, runs: 2_500, events: 17_500, triggers: 50, fires: 2_500, jobs: 100, keys: 2_500 }

describe.each(servers)('a database of the published adapter on $name', ({ server }) => {
  let database: Database
  let peer: Peer

  beforeEach(async () => {
    database = await freshDatabase(server)
    peer = await openPeer(database.url)
  })

  const adopt = async () => {
    await peer.close()
    return openStore({ connection: database.url })
  }

  describe('that is adopted', () => {
    it('gives back all that was in it', async () => {
      await fill(peer, FEW)
      const content = await contentOf(peer, FEW)
      const store = await adopt()
      expect(await store.ready()).toMatchObject({ schemaVersion: LATEST, applied: LATEST })
      await expectSame(store, content)
    })

    it('is found in another schema, also by many that start at once', async () => {
      const elsewhere = await openPeer(database.url, { schema: 'nvent_store', prefix: 'nq' })
      const amounts = { ...FEW, runs: 6, events: 12 }
      await elsewhere.index.add('nq:flows', 'old', 1, { name: 'old', displayName: 'Old', registeredAt: 1, stats: { total: 7 } })
      await elsewhere.kv.set('key', { amounts })
      await elsewhere.close()
      const open = () => openStore({ connection: database.url, prefix: 'nq', adoptFrom: 'nvent_store' })
      const stores = [open(), open(), open()]
      const states = await Promise.all(stores.map(store => store.ready()))
      expect(states.filter(({ adoptedFrom }) => adoptedFrom === 'nvent_store')).toHaveLength(1)
      expect(await stores[1]!.kv.get('key')).toEqual({ amounts })
      expect(await stores[2]!.index.get('nq:flows', 'old')).toMatchObject({ metadata: { displayName: 'Old', stats: { total: 7 } } })
      expect(await namesIn(database.sql, 'nvent_store')).toEqual([])
      expect(await open().ready()).not.toHaveProperty('adoptedFrom')
    })

    it('is left alone in another schema once the store has tables of its own', async () => {
      const elsewhere = await openPeer(database.url, { schema: 'nvent_store', prefix: 'nq' })
      await elsewhere.close()
      await openStore({ connection: database.url, prefix: 'nq' }).ready()
      expect(await openStore({ connection: database.url, prefix: 'nq', adoptFrom: 'nvent_store' }).ready()).not.toHaveProperty('adoptedFrom')
      expect(await namesIn(database.sql, 'nvent_store')).not.toEqual([])
    })

    it('gives back 25,000 rows', async () => {
      await fill(peer, MANY)
      const content = await contentOf(peer, MANY)
      await expectSame(await adopt(), content)
    })

    it('has the schema of a fresh one', async () => {
      await fill(peer, FEW)
      await (await adopt()).ready()
      const fresh = await freshDatabase(server)
      await runMigrations(fresh.pool)
      const schemaOf = async ({ sql }: Database) => [await columnsOf(sql, 'public'), await indexesOf(sql, 'public'), await namesIn(sql, 'public')]
      expect(await schemaOf(database)).toEqual(await schemaOf(fresh))
      await rollbackTo(database.pool, 'nvent', 0)
      expect(await namesIn(database.sql, 'public')).toEqual([])
    })

    it('has one order of events, by time, and goes on behind it', async () => {
      await fill(peer, FEW)
      await database.sql('update nvent_flow_events set ts = ts + 1000 * (id % 7)')
      await database.sql(`select setval('nvent_trigger_events_id_seq', 5000)`)
      const late = await peer.stream.append('nvent:trigger:event:trigger-0', { type: 'late' })
      expect(late.id).toBe('5001')
      const content = await contentOf(peer, FEW)
      const store = await adopt()
      await expectSame(store, content)

      const order = await database.sql<{ id: string, ts: string }>(`
        select id, ts, 1 as source from nvent_flow_events union all select id, ts, 2 from nvent_trigger_events order by id`)
      expect(order.map(({ id }) => Number(id))).toEqual(order.map((_, at) => at + 1))
      expect(order.map(({ ts }) => Number(ts))).toEqual(order.map(({ ts }) => Number(ts)).sort((a, b) => a - b))
      for (const [table, key] of [['flow_events', 'run_id'], ['trigger_events', 'trigger_name']]) {
        expect(await database.sql(`
          select from (select version, row_number() over (partition by ${key} order by id) as expected from nvent_${table}) v where version <> expected`)).toEqual([])
      }
      expect(await database.sql(`
        select head.subject from nvent_heads head full join (
          select 'nvent:flow:run:' || run_id as subject, count(*) as version, min(id) as first_id, max(ts) as last_ts from nvent_flow_events group by run_id
          union all select 'nvent:trigger:event:' || trigger_name, count(*), min(id), max(ts) from nvent_trigger_events group by trigger_name
        ) as expected using (subject, version, first_id, last_ts) where expected.subject is null or head.tenant_id is null`)).toEqual([])

      const [before] = await store.stream.read('nvent:flow:run:run-1', { order: 'desc', limit: 1 })
      const next = await store.stream.append('nvent:flow:run:run-1', { type: 'next', runId: 'run-1', flowName: 'flow-1' })
      expect(Number(next.id)).toBeGreaterThan(5001)
      expect(next.ts).toBeGreaterThanOrEqual(before!.ts)
      expect(await store.stream.read('nvent:flow:run:run-1', { after: before!.id })).toEqual([next])
      expect(await database.sql(`select max(version)::int as last, count(*)::int as count from nvent_flow_events where run_id = 'run-1'`)).toEqual([{ last: 11, count: 11 }])
    })

    it('keeps times as nvent writes them, and what the adapter added on reading', async () => {
      const iso = new Date(START + 5).toISOString()
      await peer.index.add('nvent:flows', 'f', START, { name: 'f', registeredAt: START })
      await peer.index.updateWithRetry('nvent:flows', 'f', { lastRunAt: iso })
      await peer.index.add('nvent:triggers', 't', START, { type: 'event', stats: { lastFiredAt: iso } })
      await peer.index.add('nvent:scheduler:jobs', 'j', START, { type: 'cron', executeAt: START + 1, interval: 60_000 })
      await peer.index.add('nvent:flow:runs:f', 'r', START, { status: 'awaiting', lastActivityAt: START + 2 })
      const store = await adopt()
      const stats = { total: 0, success: 0, failure: 0, running: 0, awaiting: 0, cancel: 0 }
      expect(await store.index.get('nvent:flows', 'f')).toEqual({
        id: 'f', score: START, metadata: { name: 'f', registeredAt: START, lastRunAt: iso, flowVersion: 1, stats, version: 1 },
      })
      expect(await store.index.get('nvent:triggers', 't')).toEqual({
        id: 't', score: START, metadata: {
          name: 't', type: 'event', triggerType: 'event', status: 'active', registeredAt: new Date(START).toISOString(), subscriptions: {},
          stats: { totalFires: 0, lastFiredAt: iso, totalFlowsStarted: 0, activeSubscribers: 0 }, version: 0,
        },
      })
      expect(await store.index.get('nvent:scheduler:jobs', 'j')).toEqual({
        id: 'j', score: START, metadata: { id: 'j', type: 'cron', executeAt: START + 1, interval: 60_000, scheduledAt: START, enabled: true, status: 'pending', version: 0 },
      })
      expect(await store.index.get('nvent:flow:runs:f', 'r')).toEqual({
        id: 'r', score: START, metadata: { status: 'awaiting', startedAt: START, lastActivityAt: START + 2, completedSteps: 0, emittedEvents: {}, awaitingSteps: {}, version: 0 },
      })
      // They can be changed like entries of our own.
      expect(await store.index.increment('nvent:triggers', 't', 'stats.totalFires')).toBe(1)
      expect(await store.index.update('nvent:flows', 'f', { lastRunAt: START + 9, name: 'g' })).toBe(true)
      expect((await store.index.get('nvent:flows', 'f'))?.metadata).toMatchObject({ lastRunAt: START + 9, name: 'g', version: 2 })
    })

    it('puts the counters right that the adapter had put among the emitted events', async () => {
      const run = 'nvent:flow:runs:f'
      await peer.index.add(run, 'counted', START, { status: 'running', completedSteps: 0, stepCount: 2, emittedEvents: { 'order.placed': START } })
      for (let step = 0; step < 3; step++) await peer.index.increment(run, 'counted', 'completedSteps')
      await peer.index.add(run, 'started at two', START - 1, { completedSteps: 2 })
      await peer.index.increment(run, 'started at two', 'completedSteps', 5)
      await peer.index.increment(run, 'started at two', 'stepCount', 4)
      // An event that has such a name: its value is a time.
      await peer.index.add(run, 'an event', START - 2, { completedSteps: 1, emittedEvents: { completedSteps: START } })
      await peer.index.add(run, 'an object', START - 3, { completedSteps: 1, emittedEvents: { completedSteps: { at: 1 }, stepCount: 'x' } })
      expect((await peer.index.get(run, 'counted'))?.metadata).toMatchObject({ completedSteps: 0, emittedEvents: { completedSteps: 3 } })
      expect(await adoptionPlan(database.pool)).toMatchObject({ misplacedCounters: 2 })

      const store = await adopt()
      const entries = await store.index.read(run)
      expect(entries.map(({ id, metadata }) => [id, metadata?.completedSteps, metadata?.stepCount, metadata?.emittedEvents])).toEqual([
        ['counted', 3, 2, { 'order.placed': START }],
        ['started at two', 7, 4, {}],
        ['an event', 1, undefined, { completedSteps: START }],
        ['an object', 1, undefined, { completedSteps: { at: 1 }, stepCount: 'x' }],
      ])
      expect(await store.index.increment(run, 'counted', 'completedSteps')).toBe(4)
    })

    it('keeps values that our columns of objects do not take, and those the adapter could not give back', async () => {
      await peer.index.add('nvent:triggers', 't', START, { schedule: 'daily', webhook: ['a', 1], config: { deep: { a: null } }, subscriptions: 7 })
      for (const [key, value] of Object.entries({ zero: 0, no: false, empty: '', nothing: null })) await peer.kv.set(key, value)
      const store = await adopt()
      expect((await store.index.get('nvent:triggers', 't'))?.metadata).toMatchObject({ schedule: 'daily', webhook: ['a', 1], config: { deep: { a: null } }, subscriptions: 7 })
      expect(await store.index.update('nvent:triggers', 't', { schedule: { at: 'noon' } })).toBe(true)
      expect((await store.index.get('nvent:triggers', 't'))?.metadata).toMatchObject({ schedule: { at: 'noon' } })
      expect(await store.kv.getMany(['zero', 'no', 'empty', 'nothing'])).toEqual([0, false, '', null])
    })

    it('by four instances that start at once, once', async () => {
      await fill(peer, FEW)
      const content = await contentOf(peer, FEW)
      await peer.close()
      const stores = Array.from({ length: 4 }, () => openStore({ connection: database.url }))
      const infos = await Promise.all(stores.map(store => store.ready()))
      expect(infos.reduce((sum, { applied }) => sum + applied, 0)).toBe(LATEST)
      for (const store of stores) await expectSame(store, content)
    })

    it('takes the streams of another subject prefix, and lets roles in that were let in before', async () => {
      await database.sql(`do $$ begin if to_regrole('adopt_reader') is null then create role adopt_reader; end if; end $$`)
      await database.sql('grant select on nvent_flow_events to adopt_reader; grant update on nvent_kv to public')
      await peer.stream.append('app:flow:run:r', { type: 'x', flowName: 'f' })
      await peer.close()
      const store = openStore({ connection: database.url, subjectPrefix: 'app' })
      expect(await store.stream.read('app:flow:run:r')).toMatchObject([{ type: 'x', runId: 'r' }])
      await store.stream.append('app:flow:run:r', { type: 'y', runId: 'r', flowName: 'f' })
      expect(await database.sql('select version::int as version from nvent_flow_events order by id')).toEqual([{ version: 1 }, { version: 2 }])
      expect(await database.sql(`select has_table_privilege('adopt_reader', 'nvent_flow_events', 'select') as reads,
        has_table_privilege('adopt_reader', 'nvent_kv', 'update') as writes, has_table_privilege('adopt_reader', 'nvent_kv', 'select') as more`)).toEqual([{ reads: true, writes: true, more: false }])
    })

    it('when it is empty', async () => {
      const store = await adopt()
      expect((await store.stream.append('nvent:flow:run:r', { type: 'x' })).id).toBe('1')
      expect(await store.index.read('nvent:flows')).toEqual([])
    })
  })

  describe('and its function jsonb_deep_merge', () => {
    const body = async () => (await database.sql<{ ours: boolean }>(`select prosrc like '%merge_patch%' as ours from pg_proc where proname = 'jsonb_deep_merge'`)).map(({ ours }) => ours)
    const planned = async () => (await adoptionPlan(database.pool))?.helper

    it('is replaced when nothing else uses it', async () => {
      expect(await planned()).toBe('replaced')
      await (await adopt()).ready()
      expect(await body()).toEqual([true])
    })

    it.each([
      ['another app of the adapter uses it', () => openPeer(database.url, { prefix: 'other' })],
      ['a view uses it', () => database.sql(`create view mine as select jsonb_deep_merge('{}', '{}')`)],
      ['somebody has changed it', () => database.sql(`create or replace function jsonb_deep_merge(target jsonb, source jsonb) returns jsonb language sql as 'select target || source'`)],
    ])('is left alone when %s', async (_, use) => {
      await use()
      expect(await planned()).toBe('left alone')
      await (await adopt()).ready()
      expect(await body()).toEqual([false])
    })

    it('is made when it is in another schema', async () => {
      const elsewhere = await openPeer(database.url, { schema: 'app' })
      await elsewhere.kv.set('a', 1)
      await elsewhere.close()
      expect((await adoptionPlan(database.pool, 'nvent', 'app'))?.helper).toBe('absent')
      const store = openStore({ connection: database.url, schema: 'app' })
      expect(await store.kv.get('a')).toBe(1)
      expect((await body()).sort()).toEqual([false, true])
    })
  })

  describe('before it is adopted', () => {
    it('has a plan that says what would happen, and does nothing', async () => {
      await fill(peer, FEW)
      await database.sql('create index mine on nvent_kv (updated_at)')
      const before = await everything(database.sql)
      const plan = await adoptionPlan(database.pool)
      expect(plan).toMatchObject({ from: '@nvent-addon/adapter-store-postgres', version: 2, misplacedCounters: 0, helper: 'replaced', lost: ['index mine on nvent_kv'], problems: [] })
      expect(Object.fromEntries(plan!.tables.map(({ table, rows }) => [table, rows]))).toEqual({
        nvent_flow_events: 120, nvent_trigger_events: 20, nvent_flow_runs: 12, nvent_flows: 3, nvent_triggers: 4, nvent_scheduler_jobs: 6, nvent_kv: 30,
      })
      expect(plan!.tables.every(({ bytes }) => bytes > 0)).toBe(true)
      expect(JSON.parse(JSON.stringify(plan))).toEqual(plan)
      expect(await everything(database.sql)).toEqual(before)
      expect(await adoptionPlan((await freshDatabase(server)).pool)).toBeUndefined()
      await (await adopt()).ready()
      expect(await adoptionPlan(database.pool)).toBeUndefined()
    })

    it('is described by the command line, which then adopts it', async () => {
      await fill(peer, FEW)
      const content = await contentOf(peer, FEW)
      await peer.close()
      const cwd = await emptyDirectory()
      const on = (...args: string[]) => runCli([...args, '--url', database.url], { cwd })
      const dry = await on('migrate', '--dry-run')
      expect(dry).toMatchObject({ code: 0, stdout: expect.stringMatching(/adapter-store-postgres at its version 2 are adopted/) as string })
      expect(dry.stdout).toMatch(/nvent_flow_events +\d+ rows/)
      expect(await on('migrate')).toMatchObject({ code: 0, stdout: expect.stringContaining(`migrated to version ${LATEST}`) as string })
      await expectSame(openStore({ connection: database.url }), content)
    })

    it('is left untouched with autoMigrate off, and the error says what to do', async () => {
      const before = await everything(database.sql)
      const behind = { code: 'SCHEMA_BEHIND', message: expect.stringMatching(/adapter-store-postgres.*npx nvent-store migrate/) as string, details: { foreign: '@nvent-addon/adapter-store-postgres' } }
      await expect(openStore({ connection: database.url, autoMigrate: false }).ready()).rejects.toMatchObject(behind)
      await expect(rollbackTo(database.pool, 'nvent', 0)).rejects.toMatchObject(behind)
      expect(await everything(database.sql)).toEqual(before)
    })

    it.each([
      ['an older version of its schema', 'delete from nvent_schema_version where version = 2', /version 1, and only 2 .*0\.5\.15 once/],
      ['a version of its schema nobody knows', `insert into nvent_schema_version values (3, now(), 'x')`, /version 3, and this build knows 2/],
      ['a table that is missing', 'drop table nvent_kv', /nvent_kv lacks key/],
      ['a column of somebody else', 'alter table nvent_flows add column mine int', /nvent_flows has columns that @nvent-addon\/adapter-store-postgres did not create \(mine\)/],
      ['a view of somebody else', 'create view mine as select count(*) from nvent_kv', /view mine depends on table nvent_kv/],
      ['a foreign key of somebody else', 'create table mine (flow text references nvent_flows)', /foreign key mine_flow_fkey of mine depends on table nvent_flows/],
      ['another owner', `do $$ begin if to_regrole('adopt_owner') is null then create role adopt_owner; end if; end $$; alter table nvent_kv owner to adopt_owner`, /nvent_kv belongs to the role adopt_owner/],
    ])('is refused with %s, and left untouched', async (_, change, message) => {
      await peer.stream.append('nvent:flow:run:r', { type: 'x', flowName: 'f' })
      await database.sql(change)
      const before = await everything(database.sql)
      const plan = await adoptionPlan(database.pool)
      expect(plan!.problems).toEqual([expect.stringMatching(message)])
      await expect(runMigrations(database.pool)).rejects.toMatchObject({
        code: 'MIGRATION_FAILED', message: expect.stringMatching(message) as string, details: { problems: plan!.problems, foreign: plan!.from },
      })
      expect(await everything(database.sql)).toEqual(before)
      expect(await peer.stream.read('nvent:flow:run:r')).toHaveLength(1)
    })
  })
})
