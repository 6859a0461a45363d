import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { afterAll, inject } from 'vitest'
import { createStore } from '../../src/runtime/core/index'
import type { StoreOptions } from '../../src/runtime/core/options/types'
import type { Store } from '../../src/runtime/core/types'

export type ServerName = 'pg18' | 'pg15'
export type Row = Record<string, unknown>

export interface Database {
  url: string
  name: string
  pool: pg.Pool
  /** Runs SQL on connections of its own, beside every store. */
  sql<R extends Row = Row>(text: string, values?: unknown[]): Promise<R[]>
  drop(): Promise<void>
}

export interface DatabaseOptions {
  name?: string
  /** Settings that every session of the database starts with. */
  settings?: Record<string, string>
  /** The database it is a copy of; nobody may be connected to it. */
  template?: string
}

const cleanups: (() => Promise<unknown>)[] = []

/** Runs when the test file has ended, the last registered first. */
export function onFileEnd(cleanup: () => Promise<unknown>): void {
  cleanups.push(cleanup)
}

afterAll(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

export const hasServer = (server: ServerName): boolean => inject(server) !== ''

/** The administrator's URL, with another database or user where they are given. */
export function serverUrl(server: ServerName, { database, user, password }: { database?: string, user?: string, password?: string } = {}): string {
  const url = new URL(inject(server))
  if (database !== undefined) url.pathname = `/${encodeURIComponent(database)}`
  if (user !== undefined) url.username = encodeURIComponent(user)
  if (password !== undefined) url.password = encodeURIComponent(password)
  return url.href
}

/** Creates an empty database; it is dropped when the test file has ended. */
export async function freshDatabase(server: ServerName, options: DatabaseOptions = {}): Promise<Database> {
  const name = `${options.name ?? 'test'}_${randomBytes(6).toString('hex')}`
  const quoted = pg.escapeIdentifier(name)
  await administer(server, [
    `create database ${quoted}${options.template === undefined ? '' : ` template ${pg.escapeIdentifier(options.template)}`}`,
    ...Object.entries(options.settings ?? {}).map(([setting, value]) => `alter database ${quoted} set ${setting} = ${pg.escapeLiteral(value)}`),
  ])
  const url = serverUrl(server, { database: name })
  const pool = new pg.Pool({ connectionString: url, max: 4 })
  pool.on('error', () => {})
  const drop = async () => {
    if (!pool.ended) await pool.end()
    await administer(server, [`drop database if exists ${quoted} with (force)`])
  }
  onFileEnd(drop)
  return {
    url,
    name,
    pool,
    sql: async <R extends Row>(text: string, values: unknown[] = []) => (await pool.query<R>(text, values)).rows,
    drop,
  }
}

/** Runs statements as the administrator, outside the databases of the tests. */
export async function administer(server: ServerName, statements: string[]): Promise<void> {
  const client = new pg.Client({ connectionString: inject(server) })
  await client.connect()
  try {
    for (const statement of statements) await client.query(statement)
  }
  finally {
    await client.end()
  }
}

const quiet = { info: () => {}, warn: () => {}, error: () => {} }

/** A store that is closed when the test file has ended, if nobody did before. */
export function openStore(options: StoreOptions): Store {
  const store = createStore({ logger: quiet, ...options })
  onFileEnd(() => store.close())
  return store
}
