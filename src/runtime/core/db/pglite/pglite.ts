import { resolve } from 'node:path'
import { StoreError, messageOf } from '../../shared/errors'
import { openPlace } from '../../shared/inside'
import { pglitePath } from '../connection/pgliteUrl'
import type { IsolationLevel, Db, DbOptions, Session } from '../types'
import { openDirectory, openMemory, refuseInside } from './embedded'
import type { Embedded } from './embedded'
import { CLOSE_ALL, RESET_SETTINGS, withCallersSql } from '../callerSql'
import { toStoreError } from '../errors'
import { statementsOn } from './pgliteStatements'
import { openReader } from './pgliteReader'
import { openScope } from '../transactionScope'

/**
 * Opens the embedded database of a URL.
 * @throws {StoreError} MISSING_DRIVER when the optional package is not installed, DATABASE_LOCKED when another thread
 * or process has the directory open
 */
export async function openPglite(url: string, options: Partial<Pick<DbOptions, 'durability' | 'connectTimeout' | 'signal' | 'onWait' | 'onlyLook'>> = {}): Promise<Db> {
  const { durability = 'full', connectTimeout: patience = 0, signal, onWait, onlyLook = false } = options
  const path = pglitePath(url)
  const driver = await loadPglite()
  if (path === undefined) return session(await openMemory(driver, durability), 'memory')
  const directory = resolve(path)
  const reader = onlyLook ? await openReader(directory) : undefined
  if (reader) return reader
  return session(await openDirectory(driver, directory, { durability, patience, signal, onWait }), directory)
}

async function loadPglite(): Promise<typeof import('@electric-sql/pglite')> {
  try {
    const driver = await import('@electric-sql/pglite') as Partial<typeof import('@electric-sql/pglite')>
    if (!driver.PGlite) throw new Error('it can\'t be part of this build')
    return driver as typeof import('@electric-sql/pglite')
  }
  catch (error) {
    throw new StoreError(
      'MISSING_DRIVER',
      `the embedded database needs the package @electric-sql/pglite: run \`npm install @electric-sql/pglite\`, or set a postgres:// connection (${messageOf(error)})`,
      { cause: error },
    )
  }
}

function session(embedded: Embedded, label: string): Db {
  const { database, close } = embedded
  // There is one connection: a call on the store made inside a transaction would never end.
  const guarded = <A extends unknown[], T>(run: (...args: A) => Promise<T>) => async (...args: A): Promise<T> => {
    refuseInside(database)
    return run(...args)
  }
  const querying = statementsOn(database)
  return {
    driver: 'pglite',
    flags: { connections: 'one', shared: false },
    label,
    inTransaction: false,
    requireOutside: () => refuseInside(database),
    query: guarded(querying.query) as Session['query'],
    queryLists: guarded(querying.queryLists),
    raw: guarded(querying.raw),
    script: guarded(querying.script),
    pooler: async () => 'none',
    atomic: guarded(async (work, given) => {
      // The place is the database, so that calls through any store on it are recognized.
      const place = openPlace(database)
      return inTransaction(embedded, session => place.run(() => work(session)), given?.isolation).finally(place.close)
    }) as Session['atomic'],
    async listen(channel, onWake, onReconnect) {
      const unlisten = await guarded((): Promise<() => Promise<void>> => database.listen(channel, onWake))()
      onReconnect()
      return () => unlisten()
    },
    inspect: async () => {},
    releaseIdle: async () => {},
    close,
  }
}

// The only user of the embedded server. `reset session authorization` does not work there.
const OWN_USER = 'set session authorization postgres'

async function inTransaction<T>({ database, settings }: Embedded, work: (session: Session) => Promise<T>, isolation?: IsolationLevel): Promise<T> {
  // Errors of the caller are rethrown unchanged; errors of PGlite (such as a failed commit) are converted.
  let thrown: { error: unknown } | undefined
  let isChanged = () => false
  try {
    return await database.transaction(async (tx) => {
      const statements = statementsOn(tx)
      const callers = withCallersSql(statements)
      isChanged = callers.isChanged
      const scope = openScope(callers.statements)
      try {
        if (isolation) await scope.session.script(`set transaction isolation level ${isolation}`)
        const result = await work(scope.session)
        await scope.finish()
        callers.check()
        // Session state would affect all later calls, since there is no other connection.
        if (isChanged()) await statements.script(`${RESET_SETTINGS}; ${OWN_USER}; ${settings()}; ${CLOSE_ALL}`)
        return result
      }
      catch (error) {
        await scope.cut()
        thrown = { error }
        throw error
      }
    })
  }
  catch (error) {
    // Prepared statements are not rolled back.
    if (isChanged()) await database.exec('deallocate all')
    throw thrown ? thrown.error : toStoreError(error)
  }
}
