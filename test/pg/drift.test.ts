import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openPglite } from '../../src/runtime/core/db/pglite/pglite'
import { fromPool } from '../../src/runtime/core/db/pg/pg'
import type { Db } from '../../src/runtime/core/db/types'
import { drift } from '../../src/runtime/core/schema/drift'
import { migrate } from '../../src/runtime/core/schema/migrate'
import { freshDatabase, onFileEnd, openStore } from '../setup/database'
import { servers } from './servers'

const names = { schema: 'public', prefix: 'nvent' }
const awkward = { schema: 'My "Schema" USING it\'s', prefix: 'Pre"fix {schema} \'%' }

interface Opened { db: Db, sql(text: string): Promise<unknown> }

const onServers = servers.map(({ name, server }) => ({
  name,
  async open(): Promise<Opened> {
    const { pool, sql, url } = await freshDatabase(server)
    const store = openStore({ connection: url })
    await store.stream.append('orders:1', { type: 'placed' })
    await store.close()
    return { db: fromPool(pool), sql }
  },
}))

const embedded = {
  name: 'PGlite',
  async open(): Promise<Opened> {
    const db = await openPglite('pglite://memory')
    onFileEnd(() => db.close())
    await migrate(db, names)
    return { db, sql: text => db.script(text) }
  },
}

describe.each([...onServers, embedded])('drift on $name', ({ open }) => {
  let db: Db
  let sql: Opened['sql']

  beforeEach(async () => {
    ({ db, sql } = await open())
  })

  const found = async () => (await drift(db, names)).map(({ object, name, problem, level }) => `${level} ${object} ${name} ${problem}`)

  it('is none in what the migrations made, whatever the names are', async () => {
    expect(await drift(db, names)).toEqual([])
    await migrate(db, awkward)
    expect(await drift(db, awkward)).toEqual([])
  })

  it('is none in what owners may add', async () => {
    await sql('alter table nvent_kv add column mine text')
    await sql('alter table nvent_kv add column also text not null default \'\'')
    await sql('create index mine on nvent_kv (updated_at)')
    await sql('create table nvent_notes (a int)')
    expect(await drift(db, names)).toEqual([])
  })

  it('names what is missing', async () => {
    await sql('drop table nvent_triggers')
    await sql('alter table nvent_flows drop column stats_total')
    await sql('alter table nvent_heads drop constraint nvent_heads_pkey')
    await sql('drop index idx_nvent_kv_expires')
    await sql('drop function nvent_merge_patch cascade')
    await sql('alter sequence nvent_entries_seq rename to somewhere_else')
    expect(await found()).toEqual([
      'fail column nvent_flows.stats_total missing',
      'fail table nvent_triggers missing',
      'fail key nvent_heads missing',
      'warn index idx_nvent_kv_expires missing',
      'fail sequence nvent_entries_seq missing',
      'fail function nvent_merge_patch(jsonb, jsonb) missing',
    ])
    const index = (await drift(db, names)).find(({ object }) => object === 'index')!
    expect(index.advice).toContain('create index concurrently "idx_nvent_kv_expires" on "nvent_kv" using btree (expires_at) WHERE (expires_at IS NOT NULL)')
  })

  it('names what is different, and how', async () => {
    await sql('alter table nvent_flow_runs alter column step_count type integer')
    await sql('alter table nvent_kv alter column value drop not null')
    await sql('alter table nvent_kv add column must text not null')
    await sql('alter table nvent_flow_events alter column id drop default')
    await sql('drop index idx_nvent_flow_events_run')
    await sql('create index idx_nvent_flow_events_run on nvent_flow_events (run_id)')
    await sql('alter table nvent_index drop constraint nvent_index_pkey, add primary key (tenant_id, id, key)')
    await sql('create or replace function nvent_merge_patch(target jsonb, patch jsonb) returns jsonb language sql as \'select target\'')
    await sql('alter table nvent_events detach partition nvent_events_default')
    expect((await drift(db, names)).map(({ object, name, expected, actual }) => [object, name, expected, actual])).toEqual([
      ['table', 'nvent_events_default', 'a partition of nvent_events', 'a table of its own'],
      ['column', 'nvent_flow_events.id', 'bigint not null with a default', 'bigint not null'],
      ['column', 'nvent_flow_runs.step_count', 'bigint', 'integer'],
      ['column', 'nvent_kv.value', 'jsonb not null', 'jsonb'],
      ['column', 'nvent_kv.must', undefined, undefined],
      ['index', 'idx_nvent_flow_events_run', 'btree (run_id, ts DESC)', 'btree (run_id)'],
      ['key', 'nvent_index', 'btree (tenant_id, key, id)', 'btree (tenant_id, id, key)'],
      ['function', 'nvent_merge_patch(jsonb, jsonb)', 'the body of the migration', 'another body'],
    ])
  })

  it('names indexes that are invalid, ours and others', async () => {
    await sql('create index mine on nvent_kv (updated_at)')
    await sql('update pg_index set indisvalid = false where indexrelid in (\'mine\'::regclass, \'idx_nvent_kv_expires\'::regclass)')
    expect(await found()).toEqual(['warn index idx_nvent_kv_expires invalid', 'warn index mine invalid'])
  })
})

describe.each(onServers)('drift of tables that were made at run time on $name', ({ open }) => {
  let opened: Opened
  beforeAll(async () => {
    opened = await open()
  })

  it('names one that has lost its key', async () => {
    await opened.sql('alter table nvent_stream_orders drop constraint nvent_stream_orders_pkey')
    expect(await drift(opened.db, names)).toMatchObject([{ object: 'key', name: 'nvent_stream_orders', problem: 'missing', level: 'fail' }])
  })
})
