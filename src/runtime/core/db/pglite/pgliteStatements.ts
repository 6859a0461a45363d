import type { PGlite, QueryOptions, Results, Transaction } from '@electric-sql/pglite'
import type { Statement } from '../../sql/statement'
import { toStoreError } from '../errors'
import type { Statements } from '../transactionScope'
import type { Result, Row } from '../types'

const asText = (value: string) => value
const textual: QueryOptions = { parsers: { 20: asText, 114: asText, 3802: asText } }
const lists: QueryOptions = { ...textual, rowMode: 'array' }
// What `pg` gives a caller's own SQL: bigint as text.
const likePg: QueryOptions = { parsers: { 20: asText } }

/** What is sent to a database, or on one of its transactions. */
export function statementsOn(target: PGlite | Transaction): Statements {
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
