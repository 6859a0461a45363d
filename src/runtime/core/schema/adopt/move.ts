import type { Queryable, Session } from '../../db/types'
import { quoteIdentifier } from '../../shared/identifier'
import type { SchemaNames } from '../types'
import { lockTables, requireNoProblems } from './adopt'
import { foreignTables, foreignVersion, schemaOwner } from './foreign'
import { foreignTable } from './adoptionPlan'

/** The schema whose adapter tables are to be adopted: the store's own or, while that has no tables, `adoptFrom`. */
export async function schemaToAdopt(db: Queryable, names: SchemaNames, adoptFrom = names.schema): Promise<string | undefined> {
  const owner = await schemaOwner(db, names)
  if (owner !== undefined) return owner === 'foreign' ? names.schema : undefined
  return await schemaOwner(db, { ...names, schema: adoptFrom }) === 'foreign' ? adoptFrom : undefined
}

/**
 * Moves the tables of the published adapter from another schema into the store's, in the caller's transaction. Does
 * nothing when another process has already moved them.
 * @throws {StoreError} MIGRATION_FAILED, TIMEOUT, as `adopt` does
 */
export async function moveTables(session: Session, names: SchemaNames, from: string): Promise<void> {
  const there = { ...names, schema: from }
  if (await schemaToAdopt(session, names, from) !== from) return
  await requireNoProblems(session, there, (await foreignVersion(session, there))!)
  await lockTables(session, there)
  const { rows: [schema] } = await session.query({ text: 'select 1 from pg_catalog.pg_namespace where nspname = $1::text', values: [names.schema] })
  if (!schema) await session.script(`create schema ${quoteIdentifier(names.schema)}`)
  for (const table of Object.keys(foreignTables)) {
    await session.script(`alter table ${foreignTable(there, table)} set schema ${quoteIdentifier(names.schema)}`)
  }
}
