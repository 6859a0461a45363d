import { beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase, openStore } from '../setup/database'
import type { Database } from '../setup/database'
import { columnsOf, indexesOf } from './catalog'
import type { Column, Index } from './catalog'
import { documentedSchema } from './documented'
import { servers } from './servers'

const TABLES = [
  'consumer_debounced', 'consumer_members', 'consumer_parked', 'consumer_shards', 'consumer_slots', 'consumers', 'dead_letters', 'dedupe', 'entry_counts', 'events', 'events_archive', 'events_default', 'flow_events', 'flow_runs', 'flows', 'heads', 'index', 'kv', 'projection_states', 'projections', 'rules', 'scheduler_jobs', 'schema_version',
  'snapshots', 'stream_orders', 'trigger_events', 'triggers',
].map(name => `nvent_${name}`)
const EVENT_TABLES = ['events', 'events_default', 'stream_orders', 'flow_events', 'trigger_events'].map(name => `nvent_${name}`)
const SCHEMA_VERSION = 'nvent_schema_version'

describe.each(servers)('a fresh schema on $name', ({ server }) => {
  let database: Database
  let ours: { columns: Column[], indexes: Index[] }
  let documented: { columns: Column[], indexes: Index[] }

  beforeAll(async () => {
    database = await freshDatabase(server)
    const store = openStore({ connection: database.url })
    // A table made at run time has to be like those of the migration.
    await store.stream.append('orders:1', { type: 'placed' })
    // The document's own SQL beside it: PostgreSQL says of both what they mean.
    await database.sql(`create schema documented; set local search_path = documented; ${documentedSchema('nvent')}`)
    const read = async (schema: string) => ({ columns: await columnsOf(database.sql, schema), indexes: await indexesOf(database.sql, schema) })
    ours = await read('public')
    documented = await read('documented')
  })

  const ourColumn = ({ table, column }: Column) => ours.columns.find(each => each.table === table && each.column === column)

  it('has its tables and no other', () => {
    expect([...new Set(ours.columns.map(({ table }) => table))]).toEqual(TABLES)
  })

  it('has every documented column with its type; counters and times are bigint', () => {
    expect(documented.columns.length).toBeGreaterThan(60)
    const wide = ({ table, type }: Column) => type === 'integer' && table !== SCHEMA_VERSION ? 'bigint' : type
    const described = (column: Column | undefined, type = column?.type) => column ? `${column.table}.${column.column} ${type}` : undefined
    expect(documented.columns.map(column => described(ourColumn(column)))).toEqual(documented.columns.map(column => described(column, wide(column))))
  })

  it('has every documented default', () => {
    // Ids come from one sequence for all: a test of its own.
    const plain = documented.columns.filter(({ default: value }) => !value?.includes('nextval'))
    const described = (column: Column, of: Column | undefined) => `${column.table}.${column.column} default ${of?.default ?? 'null'}`
    expect(plain.map(column => described(column, ourColumn(column)))).toEqual(plain.map(column => described(column, column)))
  })

  it('has every documented index as it is defined there, predicates and order included', () => {
    const plain = documented.indexes.filter(({ primary }) => !primary)
    expect(plain).toHaveLength(8)
    expect(plain.map(({ index }) => ours.indexes.find(each => each.index === index)?.definition)).toEqual(plain.map(({ definition }) => definition))
  })

  it('has the documented primary keys, behind the tenant', () => {
    const keys = documented.indexes.filter(({ primary, table }) => primary && table !== SCHEMA_VERSION)
    const key = ({ table }: Index) => ours.indexes.find(each => each.primary && each.table === table)?.columns
    expect(keys.map(key)).toEqual(keys.map(({ columns }) => ['tenant_id', ...columns]))
    const generic = new Map(ours.indexes.filter(({ primary }) => primary).map(({ table, columns }) => [table, columns]))
    expect(generic.get('nvent_index')).toEqual(['tenant_id', 'key', 'id'])
    expect(generic.get('nvent_heads')).toEqual(['tenant_id', 'subject'])
    expect(generic.get('nvent_stream_orders')).toEqual(['tenant_id', 'id'])
  })

  it('has the tenant first in every unique index, as a string that is not null and empty by default', () => {
    const unique = ours.indexes.filter(({ unique, table }) => unique && table !== SCHEMA_VERSION)
    expect(unique.length).toBeGreaterThanOrEqual(11)
    expect(unique.filter(({ columns }) => columns[0] !== 'tenant_id')).toEqual([])
    const tenants = ours.columns.filter(({ column }) => column === 'tenant_id')
    expect(tenants.map(({ table }) => table)).toEqual(TABLES.filter(table => table !== SCHEMA_VERSION))
    expect(tenants.filter(({ type, required, default: value }) => type !== 'text' || !required || value !== '\'\'::text')).toEqual([])
  })

  it('gives every table a primary key, but for the parent of the stream tables', () => {
    const keyed = ours.indexes.filter(({ primary }) => primary).map(({ table }) => table)
    expect(TABLES.filter(table => !keyed.includes(table))).toEqual(['nvent_events'])
  })

  it('gives all events their ids from one sequence', async () => {
    const ids = ours.columns.filter(({ table, column }) => column === 'id' && EVENT_TABLES.includes(table))
    expect(ids.map(({ table }) => table).sort()).toEqual([...EVENT_TABLES].sort())
    expect(new Set(ids.map(({ type, default: value, required }) => `${type} ${value} ${required}`)))
      .toEqual(new Set(['bigint nextval(\'nvent_events_id_seq\'::regclass) true']))
    const seen: bigint[] = []
    for (const [table, columns, values] of [
      ['nvent_flow_events', 'run_id', '\'r\''], ['nvent_trigger_events', 'trigger_name', '\'t\''],
      ['nvent_events', 'subject_prefix, subject', '\'orders\', \'orders:1\''], ['nvent_stream_orders', 'subject_prefix, subject', '\'orders\', \'orders:1\''],
      ['nvent_events', 'subject_prefix, subject', '\'\', \'x\''],
    ]) {
      const [row] = await database.sql<{ id: string }>(`insert into ${table} (${columns}, ts, type, version) values (${values}, 1, 'x', 99) returning id`)
      seen.push(BigInt(row!.id))
    }
    expect(seen).toEqual(seen.map((_, at) => seen[0]! + BigInt(at)))
  })

  it('gives a stream table the documented indexes', () => {
    const definitions = ours.indexes.filter(({ table }) => table === 'nvent_stream_orders').map(({ definition }) => definition.replace(/^.* USING /, ''))
    expect(definitions).toEqual(expect.arrayContaining([
      'btree (tenant_id, id)', 'btree (subject, ts DESC)', 'btree (subject, type, ts DESC)', 'btree (run_id) WHERE (run_id IS NOT NULL)',
    ]))
    expect(definitions).toHaveLength(ours.indexes.filter(({ table }) => table === 'nvent_events').length + 1)
  })

  it('finds metadata of generic entries by a GIN index', () => {
    expect(ours.indexes.find(({ index }) => index === 'idx_nvent_index_metadata')?.definition).toMatch(/USING gin \(metadata jsonb_path_ops\)$/)
  })

  it('has no column that overflows: whole numbers are bigint', () => {
    expect(ours.columns.filter(({ type, table }) => /^(?:integer|smallint)$/.test(type) && table !== SCHEMA_VERSION)).toEqual([])
  })

  it('leaves room for new row versions in every table that is updated, and none where rows are only added', async () => {
    const rows = await database.sql<{ name: string, options: string[] | null }>(
      'select relname as name, reloptions as options from pg_class where relkind = \'r\' and relnamespace = \'public\'::regnamespace',
    )
    const factors = Object.fromEntries(rows.flatMap(({ name, options }) => options ? [[name, options.join()]] : []))
    expect(factors).toEqual({
      nvent_heads: 'fillfactor=85', nvent_kv: 'fillfactor=85', nvent_flow_runs: 'fillfactor=85', nvent_index: 'fillfactor=85',
      nvent_scheduler_jobs: 'fillfactor=85', nvent_flows: 'fillfactor=70', nvent_triggers: 'fillfactor=70',
      nvent_consumer_members: 'fillfactor=30', nvent_consumer_shards: 'fillfactor=30', nvent_consumer_parked: 'fillfactor=70',
      nvent_consumer_slots: 'fillfactor=50', nvent_consumer_debounced: 'fillfactor=50', nvent_projection_states: 'fillfactor=80', nvent_snapshots: 'fillfactor=70',
    })
  })

  it('records its version with a checksum', async () => {
    const rows = await database.sql('select version, description, length(checksum) as length, applied_at is not null as timed from nvent_schema_version')
    expect(rows[0]).toEqual({ version: 1, description: 'init', length: 64, timed: true })
  })
})
