import type { QueryConfig } from 'pg'
import { StoreError, invalidValue, messageOf } from '../shared/errors'
import type { Statement } from '../sql/statement'
import type { QueryClient } from './types'
import { requireOrdinary } from '../db/callerSql'
import { toStoreError } from '../db/errors'
import { openScope, transactionEnded } from '../db/transactionScope'
import type { Statements } from '../db/transactionScope'
import { textual } from '../db/pg/wire'
import type { Result, Row, Session } from '../db/types'

/** Sends a statement on the caller's connection; `own`: it is one of the store's, whose types are read as text. */
type Run = (text: string, values: unknown[], own: boolean) => Promise<Answer>

interface Answer {
  rows: Row[]
  rowCount?: number | null
  /** PGlite's name for it. */
  affectedRows?: number
}

interface PgClient {
  query(config: QueryConfig): Promise<{ rows: Row[], rowCount: number | null }>
}

/** A compiled query in the form that Kysely's executor expects. */
interface CompiledQuery {
  sql: string
  parameters: unknown[]
  query: { kind: 'RawNode', sqlFragments: string[], parameters: [] }
  queryId: { queryId: string }
}

interface KyselyExecutor {
  executeQuery(query: CompiledQuery): Promise<{ rows: Row[], numAffectedRows?: bigint }>
}

/** One session per client, or per loan of a pooled client, so that all calls on one connection keep one order. */
const sessions = new WeakMap<object, Session>()

/**
 * A session on a transaction that the caller has opened; it never begins or commits one. Calls run one after the
 * other. The same client gives the same session.
 * @throws {StoreError} INVALID_VALUE when `client` is not a supported client, or is a pool
 */
export function joinClient(client: unknown): Session {
  const { target, run } = asClient(client)
  const { release } = target
  const loan = typeof release === 'function' ? release : target
  const known = sessions.get(loan)
  if (known) return known
  const session = openScope(statementsOn((text, values, own) => {
    // `pg` gives a client a new `release` each time it is checked out of the pool: this loan has ended.
    if (target.release !== release) return Promise.reject(transactionEnded())
    return run(text, values, own)
  })).session
  sessions.set(loan, session)
  return session
}

function statementsOn(run: Run): Statements {
  const send = async (text: string, values: unknown[], own: boolean) => {
    try {
      return counted(await run(text, values, own))
    }
    catch (error) {
      throw toStoreError(error)
    }
  }
  return {
    async query<R extends Row>({ text, values }: Statement): Promise<Result<R>> {
      // Without a name: only the caller knows whether this connection supports prepared statements.
      const { rows, count } = await send(text, values, true)
      return { rows: rows.map(bigintsAsText) as R[], count }
    },
    async queryLists({ text, values }) {
      // The caller's client may support rows as objects only. Their members are in the order of the columns.
      const { rows } = await send(text, values, true)
      return rows.map(row => Object.values(bigintsAsText(row)))
    },
    async raw(text, values) {
      requireOrdinary(text)
      return send(text, values, false)
    },
    async script(text) {
      await send(text, [], false)
    },
  }
}

function counted(answer: unknown): { rows: Row[], count: number } {
  const { rows, rowCount, affectedRows } = isObject(answer) ? answer as Partial<Answer> : {}
  if (!Array.isArray(rows) || !rows.every(isObject)) throw resultExpected()
  if (typeof rowCount === 'number') return { rows, count: rowCount }
  if (rows.length > 0 || typeof affectedRows === 'number') return { rows, count: rows.length || affectedRows! }
  // Without a row count, an update that matched no row would go unnoticed.
  if (rowCount === undefined) throw resultExpected()
  return { rows, count: 0 }
}

const resultExpected = () => invalidValue('client', 'must resolve query(text, values) with { rows, rowCount }')

/** How statements are sent, and the client whose connection they use. */
interface Joined {
  target: Record<string, unknown>
  run: Run
}

/** Also refuses objects whose members throw when they are read (a proxy, a getter). */
function asClient(client: unknown): Joined {
  try {
    return joined(client)
  }
  catch (error) {
    throw error instanceof StoreError ? error : invalidValue('client', `can't be read: ${messageOf(error)}`)
  }
}

function joined(client: unknown): Joined {
  if (!isObject(client)) throw invalidValue('client', 'must be a client with an open transaction')
  if (client instanceof Promise) throw invalidValue('client', 'is a promise: await it first')
  if (has(client, 'totalCount') && has(client, 'idleCount')) {
    throw invalidValue('client', 'is a pool, which runs each statement on another connection: pass the client that has the transaction open')
  }
  if (client._ending === true || client._ended === true) throw invalidValue('client', 'is closed: pass one that has a transaction open')
  if (has(client, 'withoutPlugins') && has(client, 'isTransaction')) return { target: client, run: onKysely(client) }
  const drizzle = drizzleClient(client)
  if (drizzle) return joined(drizzle)
  if (typeof client.query !== 'function') throw invalidValue('client', 'must have query(text, values), or be a transaction of Drizzle on pg or of Kysely')
  if (has(client, 'getTypeParser')) return { target: client, run: onPg(client as unknown as PgClient) }
  return { target: client, run: (text, values) => (client as unknown as QueryClient).query(text, values) as Promise<Answer> }
}

// The extended protocol accepts a single statement only, also without values; pg's types lack the option.
const EXTENDED = { queryMode: 'extended' }

function onPg(client: PgClient): Run {
  return (text, values, own) => client.query({ text, values, ...own ? { types: textual } : EXTENDED } as QueryConfig)
}

/** Without plugins: these may rename columns, and the store reads its columns by name. */
function onKysely(client: Record<string, unknown>): Run {
  if (typeof client.withoutPlugins !== 'function') throw invalidValue('client', 'must be a transaction of Kysely')
  if (client.isTransaction !== true) throw invalidValue('client', 'is a Kysely instance without a transaction: pass the one that transaction().execute() passes to its callback')
  const executor = (client.withoutPlugins as () => KyselyExecutor)()
  return async (sql, parameters) => {
    const { rows, numAffectedRows } = await executor.executeQuery({
      sql, parameters, query: { kind: 'RawNode', sqlFragments: [sql], parameters: [] }, queryId: { queryId: 'nvent-store' },
    })
    return { rows, rowCount: numAffectedRows === undefined ? rows.length : Number(numAffectedRows) }
  }
}

/** The client of a Drizzle transaction: Drizzle's own `execute` accepts no separate parameters. */
function drizzleClient(client: Record<string, unknown>): object | undefined {
  const internals = client._
  const session = isObject(internals) ? internals.session : undefined
  return isObject(session) && isObject(session.client) ? session.client : undefined
}

/** The store's statements return JSON as text, but the caller may have set a global type parser for bigint. */
function bigintsAsText(row: Row): Row {
  for (const name of Object.keys(row)) {
    if (typeof row[name] === 'bigint') row[name] = String(row[name])
  }
  return row
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  (typeof value === 'object' || typeof value === 'function') && value !== null

const has = (client: object, name: string): boolean => name in client
