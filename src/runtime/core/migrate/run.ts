import { createHash } from 'node:crypto'
import { sqlStateOf } from '../db/errors'
import type { Db, Queryable, Session } from '../db/types'
import { StoreError, messageOf } from '../errors'
import { quoteIdentifier } from '../sql/identifier'
import { renderMigration, versionTable } from './render'
import { migrations as released } from './sql.gen'
import type { Migration } from './types'

export interface SchemaNames {
  schema: string
  prefix: string
}

export interface SchemaState {
  /** Version of the schema in the database; 0 when there is none. */
  version: number
  /** Migrations this run applied. */
  applied: number
}

interface AppliedRow extends Record<string, unknown> {
  version: number
  checksum: string
}

/**
 * Brings the schema up to date: one transaction for each migration, all under one advisory lock, so that of
 * many processes that start at once exactly one migrates and the others wait for it.
 * @throws {StoreError} MIGRATION_FAILED, SCHEMA_TOO_NEW
 */
export async function migrate(db: Db, names: SchemaNames, migrations: Migration[] = released): Promise<SchemaState> {
  let applied = 0
  let version = await checkedVersion(db, names, migrations)
  while (version < migrations.length) {
    const after = await db.atomic(session => applyNext(session, names, migrations), { patient: true })
    if (after.ran) applied++
    version = after.version
  }
  return { version, applied }
}

/**
 * Makes sure the schema is the one this build works with, without changing anything.
 * @throws {StoreError} SCHEMA_BEHIND, SCHEMA_TOO_NEW, MIGRATION_FAILED
 */
export async function requireCurrent(db: Queryable, names: SchemaNames, migrations: Migration[] = released): Promise<SchemaState> {
  const version = await checkedVersion(db, names, migrations)
  if (version < migrations.length) {
    throw new StoreError(
      'SCHEMA_BEHIND',
      `schema ${quoteIdentifier(names.schema)} with prefix ${quoteIdentifier(names.prefix)} is at version ${version}, this build needs ${migrations.length}, and autoMigrate is off: run \`npx nvent-store migrate --schema ${shellWord(names.schema)} --prefix ${shellWord(names.prefix)}\``,
      { details: { ...names, version, expected: migrations.length } },
    )
  }
  return { version, applied: 0 }
}

/**
 * Runs the down migrations, newest first, until the schema is at `target`; 0 removes every table of the prefix.
 * @throws {StoreError} MIGRATION_FAILED when one of them has no way back
 */
export async function rollback(db: Db, names: SchemaNames, target: number, migrations: Migration[] = released): Promise<void> {
  if (!Number.isSafeInteger(target) || target < 0) {
    throw new StoreError('INVALID_VALUE', `version must be a whole number of at least 0, not ${String(target)}`, { details: { argument: 'version' } })
  }
  for (let more = true; more;) {
    more = await db.atomic(async (session) => {
      await lock(session, names)
      const version = await checkedVersion(session, names, migrations)
      const migration = migrations[version - 1]
      if (version <= target || !migration) return false
      if (migration.down === undefined) {
        throw new StoreError('MIGRATION_FAILED', `migration ${version} (${migration.name}) has no way back: restore a backup instead`)
      }
      await runScript(session, names, migration, migration.down)
      await session.query({ text: `delete from ${versionTable(names)} where version = $1::integer`, values: [version] })
      if (version === 1) await session.script(`drop table ${versionTable(names)}`)
      return version - 1 > target
    }, { patient: true })
  }
}

/** Version of the schema in the database, 0 when there is none. */
export async function currentVersion(db: Queryable, names: SchemaNames): Promise<number> {
  return (await appliedMigrations(db, names)).at(-1)?.version ?? 0
}

async function applyNext(session: Session, names: SchemaNames, migrations: Migration[]) {
  await lock(session, names)
  const version = await checkedVersion(session, names, migrations)
  const migration = migrations[version]
  if (!migration) return { version, ran: false }
  if (version === 0) await createVersionTable(session, names)
  await runScript(session, names, migration, migration.up)
  await session.query({
    text: `insert into ${versionTable(names)} (version, description, checksum) values ($1::integer, $2::text, $3::text)`,
    values: [migration.version, migration.name, migration.checksum],
  })
  return { version: migration.version, ran: true }
}

async function createVersionTable(session: Session, names: SchemaNames): Promise<void> {
  // `create schema if not exists` asks for rights on the database even when the schema is there.
  const { rows: [schema] } = await session.query({
    text: 'select 1 from pg_catalog.pg_namespace where nspname = $1::text', values: [names.schema],
  })
  if (!schema) await session.script(`create schema ${quoteIdentifier(names.schema)}`)
  await session.script(`create table ${versionTable(names)} (
    version integer primary key, applied_at timestamptz default now(), description text, checksum text not null
  )`)
}

async function runScript(session: Session, names: SchemaNames, migration: Migration, script: string): Promise<void> {
  try {
    await session.script(renderMigration(script, names))
  }
  catch (error) {
    throw new StoreError(
      'MIGRATION_FAILED',
      `migration ${migration.version} (${migration.name}) failed and was rolled back: ${messageOf(error)}`,
      { cause: error, details: { ...names, version: migration.version, sqlState: sqlStateOf(error) } },
    )
  }
}

/** Version of the schema, once it is certain that this build and the database mean the same by it. */
async function checkedVersion(db: Queryable, names: SchemaNames, migrations: Migration[]): Promise<number> {
  const applied = await appliedMigrations(db, names)
  for (const { version, checksum } of applied) {
    const migration = migrations[version - 1]
    if (migration && migration.checksum !== checksum) {
      throw new StoreError(
        'MIGRATION_FAILED',
        `migration ${version} (${migration.name}) was edited after it was applied: its checksum in ${versionTable(names)} is another. Released migrations never change; add a new one`,
        { details: { ...names, version } },
      )
    }
  }
  const version = applied.at(-1)?.version ?? 0
  if (version > migrations.length) {
    throw new StoreError(
      'SCHEMA_TOO_NEW',
      `the schema is at version ${version}, this build knows ${migrations.length}: update nvent-store-postgres`,
      { details: { ...names, version, expected: migrations.length } },
    )
  }
  return version
}

async function appliedMigrations(db: Queryable, names: SchemaNames): Promise<AppliedRow[]> {
  const { rows: columns } = await db.query<{ attname: string }>({
    text: `select a.attname from pg_catalog.pg_attribute a
      join pg_catalog.pg_class c on c.oid = a.attrelid
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where n.nspname = $1::text and c.relname = $2::text and a.attnum > 0 and not a.attisdropped`,
    values: [names.schema, `${names.prefix}_schema_version`],
  })
  if (columns.length === 0) return []
  if (!columns.some(({ attname }) => attname === 'checksum')) {
    throw new StoreError(
      'MIGRATION_FAILED',
      `${versionTable(names)} was made by @nvent-addon/adapter-store-postgres, and its tables were left untouched: choose another prefix or schema for this store`,
      { details: { ...names, foreign: '@nvent-addon/adapter-store-postgres' } },
    )
  }
  const { rows } = await db.query<AppliedRow>({
    text: `select version, checksum from ${versionTable(names)} order by version`, values: [],
  })
  return rows
}

// One lock a schema, not a prefix: two prefixes may create the same schema and share its helper function.
async function lock(session: Queryable, { schema }: SchemaNames): Promise<void> {
  const digest = createHash('sha256').update(`nvent-store-postgres migrate ${schema}`).digest()
  await session.query({
    text: 'select pg_advisory_xact_lock($1::bigint)', values: [digest.readBigInt64BE().toString()],
  })
}

function shellWord(name: string): string {
  return /^[\w.-]+$/.test(name) ? name : `'${name.replaceAll('\'', '\'\\\'\'')}'`
}
