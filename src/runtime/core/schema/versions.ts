import { isUseless, sqlStateOf } from '../db/errors'
import type { Queryable, Session } from '../db/types'
import { StoreError, messageOf } from '../shared/errors'
import { placeOf, quoteIdentifier } from '../shared/identifier'
import { FOREIGN, schemaOwner } from './adopt/foreign'
import { migrateCommand, versionTable } from './render'
import type { Migration, SchemaNames } from './types'

/** A row of `{prefix}_schema_version`. */
export interface AppliedMigration extends Record<string, unknown> {
  version: number
  description: string | null
  checksum: string
  breaking: boolean
  /** Number of completed statements of an unfinished migration; null once it is complete. */
  step: number | null
}

export interface AppliedState {
  /** Version of the newest complete migration; 0 when there is none. */
  version: number
  /** The next migration, when it was started and is not complete. */
  unfinished?: AppliedMigration
}

/** Columns that were added after the first release of the version table, for adding them to an older one. */
const LATER_COLUMNS = ['breaking boolean not null default false', 'step integer']

/**
 * The state of the schema, after checking that the applied migrations are the ones of this build.
 * @throws {StoreError} MIGRATION_FAILED when an applied migration is not the one of this build, SCHEMA_TOO_NEW when
 * one that this build does not know is marked as breaking
 */
export async function checkedState(db: Queryable, names: SchemaNames, migrations: Migration[]): Promise<AppliedState> {
  const rows = await appliedMigrations(db, names)
  const edited = rows.find(row => migrations[row.version - 1] && migrations[row.version - 1]!.checksum !== row.checksum)
  if (edited) {
    throw new StoreError(
      'MIGRATION_FAILED',
      `migration ${edited.version} (${migrations[edited.version - 1]!.name}) was edited after it was applied: its checksum in ${versionTable(names)} differs. Released migrations never change; add a new one`,
      { details: { ...placeOf(names), version: edited.version } },
    )
  }
  const state = stateOf(rows)
  const breaking = rows.findLast(row => row.version > migrations.length && row.breaking)
  if (breaking) throw tooNew(names, state.version, migrations, `migration ${breaking.version} (${breaking.description}) changed what older builds rely on`)
  return state
}

export function tooNew(names: SchemaNames, version: number, migrations: Migration[], reason: string): StoreError {
  return new StoreError(
    'SCHEMA_TOO_NEW',
    `the schema is at version ${version}, this build knows ${migrations.length}, and ${reason}: update nvent-store-postgres`,
    { details: { ...placeOf(names), version, expected: migrations.length } },
  )
}

/** The error of a failed migration. It is retryable when the connection was lost. */
export function migrationFailed(
  names: SchemaNames, { version, name }: Migration, what: string, cause: unknown, details: Record<string, unknown> = {},
): StoreError {
  return new StoreError('MIGRATION_FAILED', `migration ${version} (${name}) ${what}: ${messageOf(cause)}`, {
    cause, retryable: isUseless(cause) && cause.retryable, details: { ...placeOf(names), version, ...details, sqlState: sqlStateOf(cause) },
  })
}

/** The applied migrations, in order. A version table without the columns `breaking` and `step` can be read as well. */
export async function appliedMigrations(db: Queryable, names: SchemaNames): Promise<AppliedMigration[]> {
  const owner = await schemaOwner(db, names)
  if (owner === undefined) return []
  if (owner === 'foreign') {
    throw new StoreError(
      'SCHEMA_BEHIND',
      `the tables beside ${versionTable(names)} were made by ${FOREIGN} and are not adopted yet: ${migrateCommand(names)} does it`,
      { details: { ...placeOf(names), foreign: FOREIGN } },
    )
  }
  const { rows } = await db.query<AppliedMigration>({
    text: `select version, description, checksum, coalesce((pg_catalog.to_jsonb(applied) ->> 'breaking'::text)::boolean, false) as breaking,
      (pg_catalog.to_jsonb(applied) ->> 'step'::text)::integer as step from ${versionTable(names)} applied order by version`,
    values: [],
  })
  return rows
}

export function stateOf(rows: AppliedMigration[]): AppliedState {
  const last = rows.at(-1)
  if (!last || last.step === null) return { version: last?.version ?? 0 }
  return { version: last.version - 1, unfinished: last }
}

/** SQL that creates the version table. */
export function versionTableSql(names: SchemaNames): string {
  return `create table if not exists ${versionTable(names)} (
  version integer primary key, applied_at timestamptz default pg_catalog.now(), description text, checksum text not null,
  ${LATER_COLUMNS.join(', ')}
)`
}

/** Creates the schema and the version table if missing, and adds later columns to an older version table. */
export async function ensureVersionTable(session: Session, names: SchemaNames, state: AppliedState): Promise<void> {
  if (state.version > 0 || state.unfinished) {
    return session.script(`alter table ${versionTable(names)} ${LATER_COLUMNS.map(column => `add column if not exists ${column}`).join(', ')}`)
  }
  // Checked first, because `create schema if not exists` requires rights on the database even when the schema exists.
  const { rows: [schema] } = await session.query({
    text: 'select 1 from pg_catalog.pg_namespace where nspname = $1::text', values: [names.schema],
  })
  if (!schema) await session.script(`create schema ${quoteIdentifier(names.schema)}`)
  await session.script(versionTableSql(names))
}

/** Records that a migration is complete, or how many of its statements are. */
export async function record(session: Queryable, names: SchemaNames, migration: Migration, step: number | null): Promise<void> {
  await session.query({
    text: `insert into ${versionTable(names)} (version, description, checksum, breaking, step)
      values ($1::integer, $2::text, $3::text, $4::boolean, $5::integer)
      on conflict (version) do update set step = excluded.step, applied_at = pg_catalog.now()`,
    values: [migration.version, migration.name, migration.checksum, migration.breaking ?? false, step],
  })
}
