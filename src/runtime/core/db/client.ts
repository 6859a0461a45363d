import type { QueryConfig } from 'pg'
import { invalidValue } from '../errors'
import type { Statement } from '../sql/statement'
import type { QueryClient } from '../types/index'
import { toStoreError } from './errors'
import { textual } from './textual'
import type { Result, Row, Session } from './types'

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

/**
 * A session on a transaction that a caller has opened. It joins it: nothing is begun or committed here.
 * @throws {StoreError} INVALID_VALUE when `client` is nothing that a transaction can be joined on
 */
export function joinClient(client: unknown): Session {
  const run = runOn(client)
  const send = async (text: string, values: unknown[], own: boolean) => {
    try {
      return counted(await run(text, values, own))
    }
    catch (error) {
      throw toStoreError(error)
    }
  }
  const session: Session = {
    inTransaction: true,
    atomic: work => work(session),
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
    raw: (text, values) => send(text, values, false),
    async script(text) {
      await send(text, [], false)
    },
  }
  return session
}

function counted({ rows, rowCount, affectedRows }: Answer): { rows: Row[], count: number } {
  if (typeof rowCount === 'number') return { rows, count: rowCount }
  if (rows.length > 0 || typeof affectedRows === 'number') return { rows, count: rows.length || affectedRows! }
  // Without it nobody would know whether an update has found its row.
  if (rowCount === undefined) throw invalidValue('client', 'must give { rows, rowCount } as the result of query(text, values)')
  return { rows, count: 0 }
}

function runOn(client: unknown): Run {
  if (!isObject(client)) throw invalidValue('client', 'must be a client with an open transaction')
  if (has(client, 'totalCount') && has(client, 'idleCount')) {
    throw invalidValue('client', 'is a pool, which runs each statement on another connection: give the client that has the transaction open')
  }
  if (has(client, 'withoutPlugins') && has(client, 'isTransaction')) return onKysely(client)
  const drizzle = drizzleClient(client)
  if (drizzle) return runOn(drizzle)
  if (typeof client.query !== 'function') throw invalidValue('client', 'must have query(text, values), or be a transaction of Drizzle on pg or of Kysely')
  if (has(client, 'getTypeParser')) return onPg(client as unknown as PgClient)
  return (text, values) => (client as unknown as QueryClient).query(text, values) as Promise<Answer>
}

function onPg(client: PgClient): Run {
  return (text, values, own) => client.query({ text, values, ...(own && { types: textual }) })
}

/** Plugins of Kysely may rename columns; ours are known by their names. */
function onKysely(client: Record<string, unknown>): Run {
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
