import { migrationDatabase, onDatabase } from '../db/open'
import type { Db, DbOptions } from '../db/types'
import type { StoreInfo } from './types'
import { migrate, requireCurrent } from './migrate'
import { explainRefused } from './rights'
import { requireSequences } from './sequences'
import type { SchemaNames, SchemaState } from './migrate'

/** Options of the store that concern the schema at its start. */
export interface SchemaOptions extends DbOptions {
  autoMigrate: boolean
  subjectPrefix: string
  adoptFrom: string | undefined
}

/** Migrates or checks the schema, on a separate `migrationConnection` if one is configured. */
export async function schemaOf(db: Db, names: SchemaNames, options: SchemaOptions): Promise<SchemaState> {
  const { autoMigrate, subjectPrefix, adoptFrom } = options
  const begin = async (on: Db) => {
    const state = autoMigrate ? await migrate(on, names, undefined, { subjectPrefix, adoptFrom }) : await requireCurrent(on, names)
    await requireSequences(on, names, autoMigrate)
    return state
  }
  const explained = (on: Db) => begin(on).catch(error => explainRefused(on, names, error, autoMigrate))
  const elsewhere = autoMigrate ? migrationDatabase(options) : undefined
  return elsewhere ? onDatabase(elsewhere, explained) : explained(db)
}

/** Describes the database and schema of a store. */
export async function describeStore(
  db: Db, names: SchemaNames, schema: SchemaState,
): Promise<StoreInfo> {
  const { rows: [server] } = await db.query<{ version: string }>({ text: 'select pg_catalog.current_setting(\'server_version\') as version', values: [] })
  return {
    driver: db.driver,
    database: db.label,
    schema: names.schema,
    prefix: names.prefix,
    schemaVersion: schema.version,
    applied: schema.applied,
    ...schema.adoptedFrom !== undefined && { adoptedFrom: schema.adoptedFrom },
    serverVersion: server!.version,
  }
}
