import type { Pool, PoolClient, QueryConfig, QueryResult } from 'pg'
import type { StoreError } from '../../shared/errors'
import type { Statement } from '../../sql/statement'
import { lossOf, withConnection } from './borrow'
import { isEndedByOthers, isUseless, toLossError, toStoreError } from '../errors'
import type { Statements } from '../transactionScope'
import { textual, nameOn, renames } from './wire'
import type { Result, Row } from '../types'
import type { Wire } from './wire'

// Of a statement that PostgreSQL ends because of others, as a stricter isolation of the database may have it.
const MAX_ATTEMPTS = 10

/** `pg` takes a time-out of its own for each query, which its types don't know. */
export interface Query extends QueryConfig {
  query_timeout?: number
  /** `extended` takes one statement only, also without values. */
  queryMode?: string
  rowMode?: string
}

/** Sends a statement. Alone on a connection, one that failed may be followed by what `again` gives instead. */
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

/** Each statement on any connection; nothing of one that failed was carried out. */
export function onPool(pool: Pool): Send {
  return <R extends Row>(query: Query, again?: Again) => new Promise<Result<R>>((resolve, reject) => {
    const attempt = (sent: Query) => withConnection(pool, client => ask<R>(client, sent, (failure, result) => {
      // A statement that was refused says nothing against its connection.
      client.release(failure && isUseless(failure))
      if (!failure) return resolve(result!)
      const next = again?.(failure, sent)
      if (next) attempt(next)
      else reject(failure)
    }), reject)
    attempt(query)
  })
}

/** All statements on one connection, where a failure ends the transaction; `failed` is told of each. */
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

/** Callbacks instead of promises, as each of those costs every call. */
function ask<R extends Row>(client: PoolClient, query: Query, done: (failure: StoreError | undefined, result?: Result<R>) => void): void {
  let answered = false
  client.query<R>(query, (error: Error | null, results?: QueryResult<R> | QueryResult<R>[]) => {
    // `pg` calls twice for values that it can't send.
    if (answered) return
    answered = true
    if (error) done(lossOf(client) ? toLossError(error) : toStoreError(error))
    else done(undefined, resultOf(results!))
  })
}

/** Of several statements in one text, that of the first one. */
function resultOf<R extends Row>(results: QueryResult<R> | QueryResult<R>[]): Result<R> {
  const { rows, rowCount, command } = Array.isArray(results) ? results[0]! : results
  return { rows, count: rowCount ?? 0, command }
}
