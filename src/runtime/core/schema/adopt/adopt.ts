import type { Session } from '../../db/types'
import { StoreError, isStoreError, messageOf } from '../../shared/errors'
import { sqlStateOf } from '../../db/errors'
import { renderMigration } from '../render'
import type { SchemaNames } from '../types'
import { FOREIGN, foreignTables, foreignVersion } from './foreign'
import { adoptionProblems, helperFunction, helperOf, foreignTable } from './adoptionPlan'
import { adoptions } from './adoption.gen'
import { placeOf, quoteLiteral } from '../../shared/identifier'

const LOCK_TIMEOUT = '10s'
const LOCK_NOT_AVAILABLE = '55P03'

/**
 * Converts the published adapter's schema to the store's: locks its tables, creates the store's with `migrateFirst`,
 * copies every row and drops the adapter's tables. Runs in the caller's transaction, so that an interruption leaves the
 * adapter's tables unchanged. `subjectPrefix` is the first segment of the subjects of its streams. False when there is
 * nothing to adopt.
 * @throws {StoreError} MIGRATION_FAILED with what to do; TIMEOUT when its tables are in use for more than ten seconds
 */
export async function adopt(
  session: Session, names: SchemaNames, subjectPrefix: string, migrateFirst: () => Promise<void>,
): Promise<boolean> {
  const version = await foreignVersion(session, names)
  if (version === undefined) return false
  await requireNoProblems(session, names, version)
  await lockTables(session, names)
  // Checked again now that the tables are locked and can't change any more.
  await requireNoProblems(session, names, version)
  const adoption = adoptions.find(each => each.version === version)!
  try {
    await session.query({
      text: 'select pg_catalog.set_config(\'nvent.subject_prefix\', $1::text, true), pg_catalog.set_config(\'statement_timeout\', \'0\', true)',
      values: [subjectPrefix],
    })
    if (await helperOf(session, names) === 'replaced') await session.script(`drop function ${helperFunction(names)}`)
    await session.script(renderMigration(adoption.setAside, names))
    await migrateFirst()
    await session.script(renderMigration(adoption.copy, names))
  }
  catch (error) {
    // The connection was lost or a lock was not available: the whole adoption can be retried.
    if (isStoreError(error) && error.retryable) throw error
    throw failure(names, `could not be adopted and were left as they were: ${messageOf(error)}`, [], error)
  }
  return true
}

export async function requireNoProblems(session: Session, names: SchemaNames, version: number): Promise<void> {
  const problems = await adoptionProblems(session, names, version)
  if (problems.length > 0) throw failure(names, `can't be adopted, and were left untouched: ${problems.join('; ')}`, problems)
}

/** Locks the adapter's tables. Its writers wait for the lock, and fail when the adoption has ended. */
export async function lockTables(session: Session, names: SchemaNames): Promise<void> {
  const tables = Object.keys(foreignTables).map(table => foreignTable(names, table))
  try {
    await session.script(`set local lock_timeout = ${quoteLiteral(LOCK_TIMEOUT)}`)
    await session.script(`lock table ${tables.join(', ')} in access exclusive mode`)
    await session.script('set local lock_timeout to default')
  }
  catch (error) {
    if (sqlStateOf(error) === LOCK_NOT_AVAILABLE) {
      throw new StoreError('TIMEOUT', `the tables of ${FOREIGN} are in use and could not be locked for ${LOCK_TIMEOUT}: stop the app that uses them, and whatever else reads them for long (a dump)`, {
        cause: error, retryable: true, details: { ...placeOf(names), foreign: FOREIGN },
      })
    }
    throw error
  }
}

function failure(names: SchemaNames, what: string, problems: string[], cause?: unknown): StoreError {
  return new StoreError('MIGRATION_FAILED', `the tables of ${FOREIGN} with prefix ${JSON.stringify(names.prefix)} in schema ${JSON.stringify(names.schema)} ${what}`, {
    cause, details: { ...placeOf(names), foreign: FOREIGN, problems, sqlState: sqlStateOf(cause) },
  })
}
