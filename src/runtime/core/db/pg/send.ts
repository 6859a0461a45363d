import type { Pool, PoolClient, QueryConfig, QueryResult } from 'pg'
import type { StoreError } from '../../shared/errors'
import type { Statement } from '../../sql/statement'
import { lossOf, withConnection } from './borrow'
import { isEndedByOthers, isUseless, toLossError, toStoreError } from '../errors'
import type { Statements } from '../transactionScope'
import { textual, nameOn, renames } from './wire'
import type { Result, Row } from '../types'
import type { Wire } from './wire'

// For a statement that PostgreSQL aborts because of concurrent ones, as happens with a stricter default isolation level.
const MAX_ATTEMPTS = 10

/** A query of `pg` with options that its types do not declare. */
export interface Query extends QueryConfig {
  /** In milliseconds. */
  query_timeout?: number
  /** `extended` accepts a single statement only, also without values. */
  queryMode?: string
  rowMode?: string
}

/** Sends a statement. Outside of transactions, `again` may return a query to send in place of a failed one. */
export type Send = <R extends Row>(query: Query, again?: Again) => Promise<Result<R>>

type Again = (failure: StoreError, sent: Query) => Query | undefined

export function querying(send: Send, wire: Wire, queryTimeout: number): Statements {
  const limit = queryTimeout > 0 ? { query_timeout: queryTimeout } : {}
  const own = { types: textual, ...limit }
  const lists = { ...own, rowMode: 'array' }
  const sendOwn = <R extends Row>(statement: Statement, how: Partial<Query>) => {
    const { text, values } = statement
    let attempt = 1
    return send<R>({ text, values, name: nameOn(wire, statement), ...how }, (failure, sent) => {
      if (renames(wire, failure, statement, sent.name)) return { ...sent, name: nameOn(wire, statement) }
      return isEndedByOthers(failure) && attempt++ < MAX_ATTEMPTS ? sent : undefined
    })
  }
  return {
    query: <R extends Row>(statement: Statement) => sendOwn<R>(statement, own),
    queryLists: async statement => (await sendOwn(statement, lists)).rows as unknown as unknown[][],
    raw: (text, values) => send({ text, values, queryMode: 'extended', ...limit }),
    async script(text) {
      await send({ text, ...limit })
    },
  }
}

/** Sends each statement on any connection of the pool. */
export function onPool(pool: Pool): Send {
  return <R extends Row>(query: Query, again?: Again) => new Promise<Result<R>>((resolve, reject) => {
    const attempt = (sent: Query) => withConnection(pool, client => ask<R>(client, sent, (failure, result) => {
      // The connection stays in the pool unless the error makes it useless.
      client.release(failure && isUseless(failure))
      if (!failure) return resolve(result!)
      const next = again?.(failure, sent)
      if (next) attempt(next)
      else reject(failure)
    }), reject)
    attempt(query)
  })
}

/** Sends all statements on one connection, where a failure aborts the transaction. `failed` is called for each failure. */
export function onClient(client: PoolClient, failed: (failure: StoreError) => void): Send {
  return <R extends Row>(query: Query, again?: Again) => new Promise<Result<R>>((resolve, reject) => {
    ask<R>(client, query, (failure, result) => {
      if (!failure) return resolve(result!)
      failed(failure)
      again?.(failure, query)
      reject(failure)
    })
  })
}

/** With callbacks, since promises would add a cost to every call. */
function ask<R extends Row>(client: PoolClient, query: Query, done: (failure: StoreError | undefined, result?: Result<R>) => void): void {
  let answered = false
  client.query<R>(query, (error: Error | null, results?: QueryResult<R> | QueryResult<R>[]) => {
    // `pg` calls back twice for values that it can't send.
    if (answered) return
    answered = true
    if (error) done(lossOf(client) ? toLossError(error) : toStoreError(error))
    else done(undefined, resultOf(results!))
  })
}

/** The result of a query; of several statements in one text, the result of the first. */
function resultOf<R extends Row>(results: QueryResult<R> | QueryResult<R>[]): Result<R> {
  const { rows, rowCount, command } = Array.isArray(results) ? results[0]! : results
  return { rows, count: rowCount ?? 0, command }
}
