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
  /** Called with the progress of a migration without a transaction: before each statement, and after each batch. */
  onProgress?: OnProgress
  /** First segment of the subjects of streams in tables of the published adapter. Default: the prefix. */
  subjectPrefix?: string
  /** Another schema that may contain tables of the published adapter. They are moved into the store's schema while that has no tables. */
  adoptFrom?: string
}

/**
 * Brings the schema up to date: each migration runs in one transaction unless it states otherwise, under one lock, so
 * that of many processes that start at once exactly one migrates and the others wait. A schema that is newer than this
 * build is left unchanged; it is refused when a migration that this build does not know is marked as breaking. Tables of
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
 * Checks that this build can work with the schema, without changing anything.
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
 * @throws {StoreError} MIGRATION_FAILED when one of them has no down migration or is not complete, SCHEMA_TOO_NEW when
 * this build does not know one of them, INVALID_VALUE when `target` is not an integer of at least 0
 */
export async function rollback(db: Db, names: SchemaNames, target: number, migrations: Migration[] = released): Promise<void> {
  if (!Number.isSafeInteger(target) || target < 0) {
    throw new StoreError('INVALID_VALUE', `version must be an integer of at least 0, not ${String(target)}`, { details: { argument: 'version' } })
  }
  for (let more = true; more;) more = await locked(db, names, session => takeBack(session, names, target, migrations))
}

/** Version of the schema in the database, 0 when there is none. */
export async function currentVersion(db: Queryable, names: SchemaNames): Promise<number> {
  return stateOf(await appliedMigrations(db, names)).version
}

/**
 * Adopts tables of the published adapter together with the first migration.
 * @returns the schema they were in; undefined when there are none
 */
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

/** Rolls the newest migration back. False when nothing is left to do. */
async function takeBack(session: Session, names: SchemaNames, target: number, migrations: Migration[]): Promise<boolean> {
  const { version, unfinished } = await checkedState(session, names, migrations)
  const newest = unfinished?.version ?? version
  if (newest <= target) return false
  const migration = migrations[newest - 1]
  if (!migration) throw tooNew(names, newest, migrations, `migration ${newest} can only be rolled back by a build that has it`)
  if (unfinished) {
    throw new StoreError('MIGRATION_FAILED', `migration ${newest} (${migration.name}) is not complete, so it can't be rolled back: run \`npx nvent-store migrate\` first`, {
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
