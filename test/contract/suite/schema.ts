import { describe, expect, it } from 'vitest'
import type { Use } from './context'

/** Tables and columns as documented: a name, and the types its values may have. `bigint` may be wider than documented. */
const documented: Record<string, Record<string, string>> = {
  flow_events: {
    id: 'bigint', run_id: 'text', flow_name: 'text', ts: 'bigint', type: 'text', step_name: 'text', step_id: 'text', attempt: 'integer', data: 'jsonb',
    created_at: 'timestamp with time zone',
  },
  flow_runs: {
    flow_name: 'text', run_id: 'text', status: 'text', started_at: 'bigint', completed_at: 'bigint', step_count: 'integer', completed_steps: 'integer',
    last_activity_at: 'bigint', emitted_events: 'jsonb', awaiting_steps: 'jsonb', version: 'integer', updated_at: 'timestamp with time zone',
  },
  flows: {
    flow_name: 'text', display_name: 'text', flow_version: 'integer', registered_at: 'bigint', last_run_at: 'bigint', stats_total: 'integer',
    stats_success: 'integer', stats_failure: 'integer', stats_running: 'integer', stats_awaiting: 'integer', stats_cancel: 'integer', version: 'integer',
    updated_at: 'timestamp with time zone',
  },
  trigger_events: { id: 'bigint', trigger_name: 'text', ts: 'bigint', type: 'text', data: 'jsonb', created_at: 'timestamp with time zone' },
  triggers: {
    trigger_name: 'text', trigger_type: 'text', status: 'text', registered_at: 'bigint', stats_total_fires: 'integer', stats_last_fired_at: 'bigint',
    version: 'integer', updated_at: 'timestamp with time zone',
  },
  scheduler_jobs: {
    job_id: 'text', job_name: 'text', schedule: 'text', scheduled_at: 'bigint', last_run_at: 'bigint', next_run_at: 'bigint', status: 'text', config: 'jsonb',
    version: 'integer', updated_at: 'timestamp with time zone',
  },
  kv: { key: 'text', value: 'jsonb', expires_at: 'timestamp with time zone', updated_at: 'timestamp with time zone' },
  schema_version: { version: 'integer', applied_at: 'timestamp with time zone', description: 'text' },
  events: {
    id: 'bigint', subject: 'text', ts: 'bigint', type: 'text', run_id: 'text', flow_name: 'text', step_name: 'text', step_id: 'text', attempt: 'integer',
    data: 'jsonb', created_at: 'timestamp with time zone',
  },
  index: { key: 'text', id: 'text', score: 'double precision', metadata: 'jsonb', version: 'integer' },
}

const indexes = [
  'flow_events_run', 'flow_events_flow_type', 'flow_runs_status', 'flow_runs_active', 'flows_last_run', 'trigger_events_trigger',
  'scheduler_jobs_next_run', 'kv_expires', 'index_metadata',
]

export function schemaSuite(use: Use): void {
  describe('the schema in the database', () => {
    it.each(Object.entries(documented))('has the table %s with the documented columns', async (name, columns) => {
      const { sql, info } = use()
      const rows = await sql<{ column_name: string, data_type: string }>(
        'select column_name, data_type from information_schema.columns where table_schema = $1 and table_name = $2', [info.schema, `${info.prefix}_${name}`])
      const types = Object.fromEntries(rows.map(row => [row.column_name, row.data_type]))
      for (const [column, type] of Object.entries(columns)) {
        expect(types[column], column).toBeOneOf(type === 'integer' ? ['integer', 'bigint'] : [type])
      }
    })

    it.each(indexes)('has the documented index on %s', async (name) => {
      const { sql, info } = use()
      const rows = await sql('select 1 from pg_catalog.pg_indexes where schemaname = $1 and indexname = $2', [info.schema, `idx_${info.prefix}_${name}`])
      expect(rows).toHaveLength(1)
    })

    it('gives every table a tenant, \'\' by default, as the first column of its primary key', async () => {
      const { sql, info, store } = use()
      await store.stream.append('tenants:1', { type: 'a' })
      const tables = await sql<{ name: string, type: string, required: boolean, fallback: string, first_key: string | null, kind: string }>(
        `select c.relname as name, c.relkind::text as kind, format_type(a.atttypid, null) as type, a.attnotnull as required,
           pg_get_expr(d.adbin, d.adrelid) as fallback,
           (select k.attname::text from pg_catalog.pg_index i join pg_catalog.pg_attribute k on k.attrelid = c.oid and k.attnum = i.indkey[0]
            where i.indrelid = c.oid and i.indisprimary) as first_key
         from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
         left join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
         left join pg_catalog.pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
         where n.nspname = $1 and c.relkind in ('r', 'p') and starts_with(c.relname, $2) and c.relname <> $2 || 'schema_version'`,
        [info.schema, `${info.prefix}_`])
      expect(tables.length).toBeGreaterThanOrEqual(12)
      for (const table of tables) {
        expect(table).toMatchObject({ type: 'text', required: true, fallback: '\'\'::text' })
        // The keys of a table with partitions are on the partitions.
        if (table.kind === 'r') expect(table, table.name).toMatchObject({ first_key: 'tenant_id' })
      }
    })

    it('records which migrations ran', async () => {
      const { sql, table, info } = use()
      const rows = await sql(`select version, description, applied_at from ${table('schema_version')} order by version`)
      expect(rows).toHaveLength(info.schemaVersion)
      expect(rows[0]).toStrictEqual({ version: 1, description: expect.any(String), applied_at: expect.any(Date) })
    })

    it('has jsonb_deep_merge for SQL of one\'s own, which merges as RFC 7396 says', async () => {
      const { sql, info } = use()
      const [row] = await sql(
        `select "${info.schema.replaceAll('"', '""')}".jsonb_deep_merge($1::jsonb, $2::jsonb) as merged`,
        ['{"a":{"b":1,"c":2},"d":[1]}', '{"a":{"b":null,"e":{"f":null}},"d":[2]}'])
      expect(row).toStrictEqual({ merged: { a: { c: 2, e: {} }, d: [2] } })
    })
  })
}
