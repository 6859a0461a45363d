import { columnNamed } from '../shared/identifier'
import { lookUp } from '../sql/rows'
import type { Statement } from '../sql/statement'
import type { StatementContext } from '../sql/template'
import { statementFor } from '../sql/template'

/** Whose snapshot: the stream, and the name of the aggregate. */
export interface SnapshotKey {
  subject: string
  name: string
}

export interface SnapshotInput extends SnapshotKey {
  version: number
  schemaVersion: number
  /** JSON as a string. */
  state: string
  /** Which stream of the subject it was, and how often events of it had been dismissed or restored: as `readBase` gave it. */
  firstId: string
  edits: string
}

/**
 * The heads of streams with their snapshots. One of an earlier stream of the same subject, or of before an event was
 * dismissed or restored, is left out: it would be another state than that of the events.
 */
export function readBases(context: StatementContext, keys: readonly SnapshotKey[]): Statement {
  return statementFor(context, 'aggregate base', keys, () => ({
    columns: [
      { ...columnNamed('subject'), cast: 'text', of: key => key.subject },
      { ...columnNamed('name'), cast: 'text', of: key => key.name },
    ],
    sql: rows => lookUp(rows, `
select head.version, head.first_id, head.edits, head.archived_version is not null as archived,
  kept.version as taken, kept.schema_version, kept.state::text as state,
  (select pg_catalog.max(version) from ${context.names.table('events_archive')} where tenant_id = $1::text and subject = head.subject) as moved
from ${context.names.table('heads')} head
left join ${context.names.table('snapshots')} kept on kept.tenant_id = head.tenant_id and kept.subject = head.subject
  and kept.name = ${rows.ref('name')} and kept.first_id = head.first_id and kept.edits = head.edits and kept.version <= head.version
where head.tenant_id = $1::text and head.subject = ${rows.ref('subject')} and head.version > 0`),
  }))
}

/**
 * Writes the latest snapshot of a stream, provided that the stream is still the one it was taken of. It replaces neither
 * a newer one nor that of a later release of the app. Changes no row where it was not written.
 */
export function writeSnapshot(context: StatementContext, input: SnapshotInput): Statement {
  const { subject, name, version, schemaVersion, state, firstId, edits } = input
  return {
    ...context.cache.compile('write snapshot', () => `
insert into ${context.names.table('snapshots')} as kept (tenant_id, subject, name, version, schema_version, state, first_id, edits)
select tenant_id, subject, $3::text, $4::bigint, $5::bigint, $6::jsonb, first_id, edits
from ${context.names.table('heads')}
where tenant_id = $1::text and subject = $2::text and first_id = $7::bigint and edits = $8::bigint and version >= $4::bigint
on conflict (tenant_id, subject, name) do update
set version = excluded.version, schema_version = excluded.schema_version, state = excluded.state,
  first_id = excluded.first_id, edits = excluded.edits, taken_at = pg_catalog.now()
where (kept.first_id, kept.edits) <> (excluded.first_id, excluded.edits) or kept.schema_version < excluded.schema_version
  or (kept.schema_version = excluded.schema_version and kept.version < excluded.version)`),
    values: [context.tenant, subject, name, version, schemaVersion, state, firstId, edits],
  }
}
