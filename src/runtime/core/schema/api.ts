import type { Pool } from 'pg'
import { fromPool } from '../db/pg/pg'
import { requireSafePath } from '../db/searchPath'
import { dropTable, listTables } from '../partitions/subjectTables'
import { identifier, tablePrefix } from '../shared/optionChecks'
import { DEFAULT_NAMES, namesOf } from '../shared/identifier'

import { planAdoption } from './adopt/adoptionPlan'
import type { AdoptionPlan } from './types'
import type { StreamTable } from '../partitions/subjectTables'
import { currentVersion, migrate, rollback } from './migrate'

export type { StreamTable } from '../partitions/subjectTables'
export type { AdoptionPlan, Migration } from './types'
export { migrations } from './migrations.gen'

const checked = (prefix: string, schema: string) => namesOf(identifier('schema', schema), tablePrefix(prefix))

/**
 * Brings the schema up to date; safe to run from several processes at once. Tables of the published adapter are adopted
 * with all their rows; the subjects of their streams then begin with the prefix.
 * @returns the version of the schema, and how many migrations this call applied
 * @throws {StoreError} INVALID_OPTION, MIGRATION_FAILED, SCHEMA_TOO_NEW, CONNECTION
 */
export async function runMigrations(pool: Pool, prefix = DEFAULT_NAMES.prefix, schema = DEFAULT_NAMES.schema): Promise<{ version: number, applied: number }> {
  const [db, names] = [fromPool(pool), checked(prefix, schema)]
  await requireSafePath(db)
  return migrate(db, names)
}

/**
 * What `runMigrations` would do with the tables of the published adapter; undefined when there are none. Changes
 * and locks nothing.
 * @throws {StoreError} CONNECTION, TIMEOUT
 */
export async function adoptionPlan(pool: Pool, prefix = DEFAULT_NAMES.prefix, schema = DEFAULT_NAMES.schema): Promise<AdoptionPlan | undefined> {
  return planAdoption(fromPool(pool), checked(prefix, schema))
}

/**
 * Version of the schema in the database; 0 when there is none.
 * @throws {StoreError} SCHEMA_BEHIND when its tables are the published adapter's
 */
export async function getCurrentVersion(pool: Pool, prefix = DEFAULT_NAMES.prefix, schema = DEFAULT_NAMES.schema): Promise<number> {
  return currentVersion(fromPool(pool), checked(prefix, schema))
}

/**
 * Rolls migrations back until the schema is at `version`. **0 drops every table of the prefix with all data.**
 * @throws {StoreError} MIGRATION_FAILED
 */
export async function rollbackTo(pool: Pool, prefix: string, version: number, schema = DEFAULT_NAMES.schema): Promise<void> {
  await rollback(fromPool(pool), checked(prefix, schema), version)
}

/** The partitions of generic streams, one for each subject prefix that has its own table. */
export async function listStreamTables(pool: Pool, prefix = DEFAULT_NAMES.prefix, schema = DEFAULT_NAMES.schema): Promise<StreamTable[]> {
  return listTables(fromPool(pool), checked(prefix, schema))
}

/** Drops the table of a subject prefix (`nq:flow`) **with all its events**; false when it has none. */
export async function dropStreamTable(pool: Pool, prefix: string, subjectPrefix: string, schema = DEFAULT_NAMES.schema): Promise<boolean> {
  return dropTable(fromPool(pool), checked(prefix, schema), subjectPrefix)
}
