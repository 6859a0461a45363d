import type { Queryable } from '../../db/types'
import type { SchemaNames } from '../types'
import { versionTable } from '../render'

/** The published adapter whose databases can be adopted. */
export const FOREIGN = '@nvent-addon/adapter-store-postgres'

/** Its tables with data of an app, and their columns. Any other column was not created by the adapter. */
export const contentTables: Record<string, string[]> = {
  flow_events: ['id', 'run_id', 'flow_name', 'ts', 'type', 'step_name', 'step_id', 'attempt', 'data', 'created_at'],
  trigger_events: ['id', 'trigger_name', 'ts', 'type', 'data', 'created_at'],
  flow_runs: [
    'flow_name', 'run_id', 'status', 'started_at', 'completed_at', 'step_count', 'completed_steps', 'last_activity_at',
    'emitted_events', 'awaiting_steps', 'version', 'updated_at',
  ],
  flows: [
    'flow_name', 'display_name', 'flow_version', 'registered_at', 'last_run_at', 'stats_total', 'stats_success',
    'stats_failure', 'stats_running', 'stats_awaiting', 'stats_cancel', 'version', 'updated_at',
  ],
  triggers: [
    'trigger_name', 'trigger_type', 'status', 'registered_at', 'last_activity_at', 'display_name', 'description', 'scope',
    'source', 'stats_total_fires', 'stats_last_fired_at', 'stats_total_flows_started', 'stats_active_subscribers',
    'subscriptions', 'webhook', 'schedule', 'config', 'version', 'updated_at',
  ],
  scheduler_jobs: [
    'job_id', 'name', 'job_name', 'type', 'cron', 'interval', 'execute_at', 'timezone', 'enabled', 'scheduled_at',
    'last_run_at', 'next_run_at', 'status', 'metadata', 'config', 'version', 'updated_at',
  ],
  kv: ['key', 'value', 'expires_at', 'updated_at'],
}

/** All its tables. */
export const foreignTables: Record<string, string[]> = {
  schema_version: ['version', 'applied_at', 'description'],
  ...contentTables,
}

/** Its indexes besides the primary keys, as `idx_{prefix}_…`. The store does not need those that its own schema lacks. */
export const foreignIndexes = [
  'flow_events_run', 'flow_events_flow_type', 'flow_runs_status', 'flow_runs_active', 'flow_runs_completed',
  'flow_runs_activity', 'flows_last_run', 'flows_running', 'trigger_events_trigger', 'trigger_events_type',
  'triggers_status', 'triggers_type', 'scheduler_jobs_next_run', 'scheduler_jobs_type', 'kv_expires',
]

/** MD5 of the body of its `jsonb_deep_merge`. */
export const FOREIGN_HELPER = '6a20882958facfaf2e8a9edfb2880134'

/** Whether the version table under these names belongs to the store or to the adapter: only the store's has checksums. */
export async function schemaOwner(db: Queryable, names: SchemaNames): Promise<'ours' | 'foreign' | undefined> {
  const { rows: columns } = await db.query<{ attname: string }>({
    text: `select a.attname from pg_catalog.pg_attribute a
      join pg_catalog.pg_class c on c.oid = a.attrelid
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where n.nspname = $1::text and c.relname = $2::text and a.attnum > 0 and not a.attisdropped`,
    values: [names.schema, `${names.prefix}_schema_version`],
  })
  if (columns.length === 0) return undefined
  return columns.some(({ attname }) => attname === 'checksum') ? 'ours' : 'foreign'
}

/** Version of the published adapter's schema under these names; undefined when its tables are not there. */
export async function foreignVersion(db: Queryable, names: SchemaNames): Promise<number | undefined> {
  if (await schemaOwner(db, names) !== 'foreign') return undefined
  const { rows: [latest] } = await db.query<{ version: number }>({
    text: `select coalesce(pg_catalog.max(version), 0) as version from ${versionTable(names)}`, values: [],
  })
  return latest!.version
}
