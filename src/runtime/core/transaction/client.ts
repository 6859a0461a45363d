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

/** How a statement is sent on somebody's connection. */
type Run = (text: string, values: unknown[], own: boolean) => Promise<Answer>

interface Answer {
  rows: Row[]
  rowCount?: number | null
  /** What PGlite calls it. */
  affectedRows?: number
}

interface PgClient {
  query(config: QueryConfig): Promise<{ rows: Row[], rowCount: number | null }>
}

/** A compiled query, as the executor of Kysely takes it. */
interface CompiledQuery {
  sql: string
  parameters: unknown[]
  query: { kind: 'RawNode', sqlFragments: string[], parameters: [] }
  queryId: { queryId: string }
}

interface KyselyExecutor {
  executeQuery(query: CompiledQuery): Promise<{ rows: Row[], numAffectedRows?: bigint }>
}

/** By the client, and by the time a pool has lent it for: calls on one connection keep one order. */
const sessions = new WeakMap<object, Session>()

/**
 * A session on a transaction that a caller has opened. It joins it: nothing is begun or committed here. Its calls
 * run one after the other, also those of several sessions on the same client.
 * @throws {StoreError} INVALID_VALUE when `client` is nothing that a transaction can be joined on
 */
export function joinClient(client: unknown): Session {
  const { target, run } = asClient(client)
  const { release } = target
  const loan = typeof release === 'function' ? release : target
  const known = sessions.get(loan)
  if (known) return known
  const session = openScope(statementsOn((text, values, own) => {
    // A pool gives a client another `release` each time it lends it.
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
      // Without a name: whether statements may be prepared on this connection is its owner's matter.
      const { rows, count } = await send(text, values, true)
      return { rows: rows.map(bigintsAsText) as R[], count }
    },
    async queryLists({ text, values }) {
      // Whoever owns the connection may know no other rows than those with names. They keep the order of the columns.
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
  // Without it nobody would know whether an update has found its row.
  if (rowCount === undefined) throw resultExpected()
  return { rows, count: 0 }
}

const resultExpected = () => invalidValue('client', 'must give { rows, rowCount } as the result of query(text, values)')

/** What calls a client's statements, and the object whose connection they go over. */
interface Joined {
  target: Record<string, unknown>
  run: Run
}

/** An object that answers with errors of its own (a proxy, a getter that throws) is no client either. */
function asClient(client: unknown): Joined {
  try {
    return joined(client)
  }
  catch (error) {
    throw error instanceof StoreError ? error : invalidValue('client', `can't be looked at: ${messageOf(error)}`)
  }
}

function joined(client: unknown): Joined {
  if (!isObject(client)) throw invalidValue('client', 'must be a client with an open transaction')
  if (client instanceof Promise) throw invalidValue('client', 'is a promise: await it first')
  if (has(client, 'totalCount') && has(client, 'idleCount')) {
    throw invalidValue('client', 'is a pool, which runs each statement on another connection: give the client that has the transaction open')
  }
  if (client._ending === true || client._ended === true) throw invalidValue('client', 'is closed: give one that has a transaction open')
  if (has(client, 'withoutPlugins') && has(client, 'isTransaction')) return { target: client, run: onKysely(client) }
  const drizzle = drizzleClient(client)
  if (drizzle) return joined(drizzle)
  if (typeof client.query !== 'function') throw invalidValue('client', 'must have query(text, values), or be a transaction of Drizzle on pg or of Kysely')
  if (has(client, 'getTypeParser')) return { target: client, run: onPg(client as unknown as PgClient) }
  return { target: client, run: (text, values) => (client as unknown as QueryClient).query(text, values) as Promise<Answer> }
}

// Takes one statement only, also without values; pg's types don't know it.
const EXTENDED = { queryMode: 'extended' }

function onPg(client: PgClient): Run {
  return (text, values, own) => client.query({ text, values, ...own ? { types: textual } : EXTENDED } as QueryConfig)
}

/** Plugins of Kysely may rename columns; ours are known by their names. */
function onKysely(client: Record<string, unknown>): Run {
  if (typeof client.withoutPlugins !== 'function') throw invalidValue('client', 'must be the transaction that Kysely hands out')
  if (client.isTransaction !== true) throw invalidValue('client', 'is a Kysely instance without a transaction: give the one that transaction().execute() hands out')
  const executor = (client.withoutPlugins as () => KyselyExecutor)()
  return async (sql, parameters) => {
    const { rows, numAffectedRows } = await executor.executeQuery({
      sql, parameters, query: { kind: 'RawNode', sqlFragments: [sql], parameters: [] }, queryId: { queryId: 'nvent-store' },
    })
    return { rows, rowCount: numAffectedRows === undefined ? rows.length : Number(numAffectedRows) }
  }
}

/** The client under a transaction of Drizzle: its own `execute` takes no parameters beside the text. */
function drizzleClient(client: Record<string, unknown>): object | undefined {
  const internals = client._
  const session = isObject(internals) ? internals.session : undefined
  return isObject(session) && isObject(session.client) ? session.client : undefined
}

/** Statements give JSON as text by themselves; a parser for bigint may still be somebody's global one. */
function bigintsAsText(row: Row): Row {
  for (const name of Object.keys(row)) {
    if (typeof row[name] === 'bigint') row[name] = String(row[name])
  }
  return row
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  (typeof value === 'object' || typeof value === 'function') && value !== null

const has = (client: object, name: string): boolean => name in client
