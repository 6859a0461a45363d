import { migrationDatabase, onDatabase } from '../db/connect'
import type { Db, DbOptions } from '../db/types'
import type { StoreInfo } from '../types/index'
import { migrate, requireCurrent } from './run'
import { requireSequences } from './sequences'
import type { SchemaNames, SchemaState } from './run'

/** Brings the schema up to date, over connections of its own where there are some for it. */
export async function schemaOf(db: Db, names: SchemaNames, options: DbOptions): Promise<SchemaState> {
  if (!options.autoMigrate) {
    const state = await requireCurrent(db, names)
    await requireSequences(db, names, false)
    return state
  }
  const bring = async (on: Db) => {
    const state = await migrate(on, names, undefined, { subjectPrefix: options.subjectPrefix, adoptFrom: options.adoptFrom })
    await requireSequences(on, names, true)
    return state
  }
  const elsewhere = migrationDatabase(options)
  return elsewhere ? onDatabase(elsewhere, bring) : bring(db)
}

/** What a store is connected to. */
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
