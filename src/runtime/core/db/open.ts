import { isPgliteUrl } from './connection/pgliteUrl'
import { openPostgres } from './pg/pg'
import { openPglite } from './pglite/pglite'
import { requireSafePath } from './searchPath'
import type { Db, DbOptions } from './types'

export const openDb = async (options: DbOptions): Promise<Db> =>
  isPgliteUrl(options.connection) ? openPglite(options.connection, options) : openPostgres(options)

/** Opens a database, runs `work` on it, and closes it. */
export async function onDatabase<T>(options: DbOptions, work: (db: Db) => Promise<T>): Promise<T> {
  const db = await openDb(options)
  try {
    await requireSafePath(db)
    return await work(db)
  }
  finally {
    await db.close()
  }
}

/** Options for the separate connection of migrations, if one is configured. A migration without a transaction needs two connections. */
export function migrationDatabase(options: DbOptions): DbOptions | undefined {
  const { migrationConnection } = options
  return migrationConnection === undefined ? undefined : { ...options, connection: migrationConnection, pool: undefined, poolSize: 2 }
}
