import type { Queryable } from '../db/types'
import { quoteIdentifier, quoteLiteral } from '../shared/identifier'
import { schemaToAdopt } from './adopt/move'
import { planAdoption } from './adopt/adoptionPlan'
import { renderMigration, versionTable } from './render'
import { migrations as released } from './migrations.gen'
import { statementsOf } from './statements'
import type { Migration, SchemaNames, MigrationPlan } from './types'
import type { AppliedState } from './versions'
import { checkedState, versionTableSql } from './versions'

/**
 * What `migrate` would do, without doing it.
 * @throws {StoreError} MIGRATION_FAILED, SCHEMA_TOO_NEW, as `migrate` would
 */
export async function plan(db: Queryable, names: SchemaNames, migrations: Migration[] = released, adoptFrom?: string): Promise<MigrationPlan> {
  const from = await schemaToAdopt(db, names, adoptFrom)
  const adoption = from === undefined ? undefined : await planAdoption(db, { ...names, schema: from })
  const { version, unfinished }: AppliedState = adoption ? { version: 0 } : await checkedState(db, names, migrations)
  return {
    ...(adoption && { adoption }),
    version,
    latest: migrations.length,
    pending: migrations.slice(version).map(migration => ({
      version: migration.version,
      name: migration.name,
      transaction: migration.transaction ?? true,
      breaking: migration.breaking ?? false,
      done: unfinished?.version === migration.version ? unfinished.step ?? 0 : 0,
    })),
  }
}

/**
 * The SQL of the migrations after `version`, for reviews and other migration tools. It includes the version table and its
 * rows, so that the store recognizes the schema. The first `done` statements of the first migration are omitted.
 */
export function migrationSql(names: SchemaNames, version = 0, done = 0, migrations: Migration[] = released): string {
  const parts = migrations.slice(version).map((migration, at) => section(migration, names, at === 0 ? done : 0))
  if (version === 0 && done === 0 && parts.length > 0) parts.unshift(start(names))
  if (parts.length > 0) parts.unshift(SEARCH_PATH)
  return parts.join('\n\n')
}

const SEARCH_PATH = '-- Where others may create functions on the search path, begin with: set search_path = pg_catalog, pg_temp'

function start(names: SchemaNames): string {
  // The schema public exists by default, and not every role may create schemas.
  const schema = names.schema === 'public' ? '' : `create schema if not exists ${quoteIdentifier(names.schema)};\n`
  return `${schema}${versionTableSql(names)};`
}

function section(migration: Migration, names: SchemaNames, done: number): string {
  const { version, name, checksum, breaking = false } = migration
  const row = [version, quoteLiteral(name), quoteLiteral(checksum), breaking, 'null'].join(', ')
  return `-- migration ${version}: ${name}${breaking ? ' (breaking: older builds are refused afterwards)' : ''}
${body(migration, names, done)}
insert into ${versionTable(names)} (version, description, checksum, breaking, step)
  values (${row}) on conflict (version) do update set step = null, applied_at = pg_catalog.now();`
}

function body(migration: Migration, names: SchemaNames, done: number): string {
  if (migration.transaction ?? true) {
    const sql = renderMigration(migration.up, names).trim()
    return sql.endsWith(';') ? sql : `${sql};`
  }
  const remarks = { plain: '', batched: '-- repeat until it changes no row, committing each time\n', outside: '-- outside of a transaction\n' }
  return statementsOf(migration, names).slice(done).map(({ text, kind }) => `${remarks[kind]}${text};`).join('\n')
}
