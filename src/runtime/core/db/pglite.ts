import { AsyncLocalStorage } from 'node:async_hooks'
import { mkdir } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { PGlite, QueryOptions, Results, Transaction } from '@electric-sql/pglite'
import { StoreError, messageOf } from '../errors'
import type { Durability } from '../options'
import type { Statement } from '../sql/statement'
import type { IsolationLevel } from '../types/index'
import { RELAX } from './durability'
import { toStoreError } from './errors'
import { lockDirectory } from './lock'
import { openScope } from './scope'
import type { Statements } from './scope'
import type { Db, Result, Row, Session } from './types'

const SCHEME = 'pglite://'
const MEMORY = 'memory'

const asText = (value: string) => value
const textual: QueryOptions = { parsers: { 20: asText, 114: asText, 3802: asText } }
const lists: QueryOptions = { ...textual, rowMode: 'array' }
// What `pg` gives a caller's own SQL: bigint as text.
const likePg: QueryOptions = { parsers: { 20: asText } }

export function isPgliteUrl(connection: unknown): connection is string {
  return typeof connection === 'string' && connection.startsWith(SCHEME)
}

/**
 * Opens the embedded database: `pglite://memory` or `pglite://path`, relative to the working directory.
 * @throws {StoreError} MISSING_DRIVER when the optional package is not installed, DATABASE_LOCKED when another
 * process has the directory open
 */
export async function openPglite(url: string, durability: Durability = 'full'): Promise<Db> {
  const location = decodeURIComponent(url.slice(SCHEME.length))
  const { PGlite } = await loadPglite()
  const create = async (dataDir?: string) => {
    const database = await PGlite.create({ dataDir })
    if (durability === 'relaxed') await database.exec(RELAX)
    return database
  }
  if (location === MEMORY) return session(await create(), MEMORY, async () => {})
  const directory = resolve(location)
  await mkdir(dirname(directory), { recursive: true })
  const unlock = await lockDirectory(directory)
  try {
    return session(await create(directory), directory, unlock)
  }
  catch (error) {
    await unlock()
    throw toStoreError(error, `the embedded database in ${directory} can't be opened`)
  }
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

function session(database: PGlite, label: string, unlock: () => Promise<void>): Db {
  // One connection: a call on the store itself, made while its own caller holds the transaction, never ends.
  const open = new AsyncLocalStorage<{ ended: boolean }>()
  const guarded = <A extends unknown[], T>(run: (...args: A) => Promise<T>) => async (...args: A): Promise<T> => {
    if (open.getStore()?.ended === false) {
      throw new StoreError(
        'INVALID_CALL',
        'a call on the store inside transaction() would wait for ever on the embedded database: use tx.stream, tx.index, tx.kv and tx.query instead',
      )
    }
    return run(...args)
  }
  const querying = queryingOf(database)
  return {
    driver: 'pglite',
    flags: { connections: 'one', shared: false },
    label,
    inTransaction: false,
    query: guarded(querying.query) as Session['query'],
    queryLists: guarded(querying.queryLists),
    raw: guarded(querying.raw),
    script: guarded(querying.script),
    pooler: async () => 'none',
    atomic: guarded((work, given) => {
      const transaction = { ended: false }
      return inTransaction(database, session => open.run(transaction, () => work(session)), given?.isolation).finally(() => {
        transaction.ended = true
      })
    }) as Session['atomic'],
    async listen(channel, onWake, onReconnect) {
      const unlisten = await guarded((): Promise<() => Promise<void>> => database.listen(channel, onWake))()
      onReconnect()
      return () => unlisten()
    },
    inspect: async () => {},
    releaseIdle: async () => {},
    async close() {
      await database.close()
      await unlock()
    },
  }
}

function queryingOf(target: PGlite | Transaction): Statements {
  return {
    async query<R extends Row>({ text, values }: Statement): Promise<Result<R>> {
      return counted(await send(() => target.query<R>(text, values, textual)))
    },
    async queryLists({ text, values }) {
      return (await send(() => target.query<unknown[]>(text, values, lists))).rows
    },
    async raw(text, values) {
      return counted(await send(() => target.query<Row>(text, values, likePg)))
    },
    async script(text) {
      await send(() => target.exec(text))
    },
  }
}

function counted<R extends Row>(result: Results<R>): Result<R> {
  return { rows: result.rows, count: result.rows.length || (result.affectedRows ?? 0) }
}

async function send<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  }
  catch (error) {
    // PGlite hangs the values of the statement on its errors; whoever logs one must not log user data.
    if (error instanceof Error && 'params' in error) delete error.params
    throw toStoreError(error)
  }
}

async function inTransaction<T>(database: PGlite, work: (session: Session) => Promise<T>, isolation?: IsolationLevel): Promise<T> {
  // PGlite's own errors (a failing commit) come back unchanged, the caller's as they were thrown.
  let thrown: { error: unknown } | undefined
  try {
    return await database.transaction(async (tx) => {
      const scope = openScope(queryingOf(tx))
      try {
        if (isolation) await scope.session.script(`set transaction isolation level ${isolation}`)
        const result = await work(scope.session)
        await scope.finish()
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
    throw thrown ? thrown.error : toStoreError(error)
  }
}
