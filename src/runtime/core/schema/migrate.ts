import type { Db, Queryable, Session } from '../db/types'
import { StoreError } from '../shared/errors'
import { placeOf, quoteIdentifier } from '../shared/identifier'
import { adopt } from './adopt/adopt'
import { moveTables, schemaToAdopt } from './adopt/move'
import { migrateCommand, renderMigration, versionTable } from './render'
import { locked } from './migrationLock'
import { migrations as released } from './migrations.gen'
import type { OnProgress } from './steps'
import { applyStatements } from './steps'
import type { Migration, SchemaNames, SchemaState } from './types'
import type { AppliedState } from './versions'
import { appliedMigrations, checkedState, ensureVersionTable, migrationFailed, record, stateOf, tooNew } from './versions'

export type { SchemaNames, SchemaState } from './types'

export interface MigrateOptions {
  /** Told how far a migration without a transaction is: before each statement, and after each batch. */
  onProgress?: OnProgress
  /** First segment of the subjects of streams in tables of the published adapter. Default: the prefix. */
  subjectPrefix?: string
  /** Another schema where tables of the published adapter may be; they move into the store's own while it is empty. */
  adoptFrom?: string
}

/**
 * Brings the schema up to date: one transaction for each migration that does not say otherwise, under one lock, so
 * that of many processes that start at once exactly one migrates and the others wait for it. A schema that is newer
 * than this build is left as it is, unless one of the migrations it does not know is marked as breaking. Tables of
 * the published adapter are adopted first.
 * @throws {StoreError} MIGRATION_FAILED, SCHEMA_TOO_NEW, TIMEOUT
 */
export async function migrate(
  db: Db, names: SchemaNames, migrations: Migration[] = released,
  { onProgress = () => {}, subjectPrefix = names.prefix, adoptFrom }: MigrateOptions = {},
): Promise<SchemaState> {
  const adoptedFrom = await adoptForeign(db, names, migrations, subjectPrefix, adoptFrom)
  let applied = adoptedFrom === undefined ? 0 : 1
  let { version } = await checkedState(db, names, migrations)
  while (version < migrations.length) {
    const whole = migrations[version]!.transaction !== false
    const ran = whole
      ? await locked(db, names, session => applyWhole(session, names, migrations, version))
      : await applyStatements(db, names, migrations, version, onProgress)
    if (ran) applied++
    version = (await checkedState(db, names, migrations)).version
  }
  return { version, applied, ...adoptedFrom !== undefined && { adoptedFrom } }
}

/**
 * Makes sure the schema is one this build works with, without changing anything.
 * @throws {StoreError} SCHEMA_BEHIND, SCHEMA_TOO_NEW, MIGRATION_FAILED
 */
export async function requireCurrent(db: Queryable, names: SchemaNames, migrations: Migration[] = released): Promise<SchemaState> {
  const { version } = await checkedState(db, names, migrations)
  if (version < migrations.length) {
    throw new StoreError(
      'SCHEMA_BEHIND',
      `schema ${quoteIdentifier(names.schema)} with prefix ${quoteIdentifier(names.prefix)} is at version ${version}, this build needs ${migrations.length}, and autoMigrate is off: run ${migrateCommand(names)}`,
      { details: { ...placeOf(names), version, expected: migrations.length } },
    )
  }
  return { version, applied: 0 }
}

/**
 * Runs the down migrations, newest first, until the schema is at `target`; 0 removes every table of the prefix.
 * @throws {StoreError} MIGRATION_FAILED when one of them has no way back or is not complete, SCHEMA_TOO_NEW when this
 * build does not know one of them
 */
export async function rollback(db: Db, names: SchemaNames, target: number, migrations: Migration[] = released): Promise<void> {
  if (!Number.isSafeInteger(target) || target < 0) {
    throw new StoreError('INVALID_VALUE', `version must be a whole number of at least 0, not ${String(target)}`, { details: { argument: 'version' } })
  }
  for (let more = true; more;) more = await locked(db, names, session => takeBack(session, names, target, migrations))
}

/** Version of the schema in the database, 0 when there is none. */
export async function currentVersion(db: Queryable, names: SchemaNames): Promise<number> {
  return stateOf(await appliedMigrations(db, names)).version
}

/** The schema whose tables of the published adapter were adopted, with the first migration; undefined when there are none. */
async function adoptForeign(
  db: Db, names: SchemaNames, migrations: Migration[], subjectPrefix: string, adoptFrom?: string,
): Promise<string | undefined> {
  const [first] = migrations
  const from = first && await schemaToAdopt(db, names, adoptFrom)
  if (from === undefined) return undefined
  return locked(db, names, async (session) => {
    if (from !== names.schema) await moveTables(session, names, from)
    return await adopt(session, names, subjectPrefix, () => apply(session, names, { version: 0 }, first!)) ? from : undefined
  })
}

async function applyWhole(session: Session, names: SchemaNames, migrations: Migration[], version: number): Promise<boolean> {
  const state = await checkedState(session, names, migrations)
  if (state.version !== version) return false
  await apply(session, names, state, migrations[version]!)
  return true
}

async function apply(session: Session, names: SchemaNames, state: AppliedState, migration: Migration): Promise<void> {
  await ensureVersionTable(session, names, state)
  await runScript(session, names, migration, migration.up)
  await record(session, names, migration, null)
}

/** Takes the newest migration back; false when there is nothing more to do. */
async function takeBack(session: Session, names: SchemaNames, target: number, migrations: Migration[]): Promise<boolean> {
  const { version, unfinished } = await checkedState(session, names, migrations)
  const newest = unfinished?.version ?? version
  if (newest <= target) return false
  const migration = migrations[newest - 1]
  if (!migration) throw tooNew(names, newest, migrations, `migration ${newest} can only be taken back by a build that has it`)
  if (unfinished) {
    throw new StoreError('MIGRATION_FAILED', `migration ${newest} (${migration.name}) is not complete, so it can't be taken back: run \`npx nvent-store migrate\` first`, {
      details: { ...placeOf(names), version: newest },
    })
  }
  if (migration.down === undefined) {
    throw new StoreError('MIGRATION_FAILED', `migration ${version} (${migration.name}) has no way back: restore a backup instead`)
  }
  await runScript(session, names, migration, migration.down)
  await session.query({ text: `delete from ${versionTable(names)} where version = $1::integer`, values: [version] })
  if (version === 1) await session.script(`drop table ${versionTable(names)}`)
  return version - 1 > target
}

async function runScript(session: Session, names: SchemaNames, migration: Migration, script: string): Promise<void> {
  try {
    await session.script(renderMigration(script, names))
  }
  catch (error) {
    throw migrationFailed(names, migration, 'failed and was rolled back', error)
  }
}
