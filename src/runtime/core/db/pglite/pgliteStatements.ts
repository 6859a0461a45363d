import { setImmediate as nextTurn } from 'node:timers/promises'
import type { PGlite, QueryOptions, Results, Transaction } from '@electric-sql/pglite'
import { now } from '../../shared/timer'
import type { Statement } from '../../sql/statement'
import { toStoreError } from '../errors'
import type { Statements } from '../transactionScope'
import type { Result, Row } from '../types'

const asText = (value: string) => value
const textual: QueryOptions = { parsers: { 20: asText, 114: asText, 3802: asText } }
const lists: QueryOptions = { ...textual, rowMode: 'array' }
// For SQL of the caller, bigint is parsed as a string, as `pg` does.
const likePg: QueryOptions = { parsers: { 20: asText } }

/** Sends statements to a database, or in one of its transactions. */
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

// Far less than a caller notices, and far more than a turn of the event loop costs.
const MOST_MS = 10
let turnAt = now()
let turn: Promise<void> | undefined

/**
 * The database answers within the same turn of the event loop. In a loop of awaited calls no timer would fire and no request
 * be answered: now and then the others are let ahead.
 */
async function giveWay(): Promise<void> {
  if (now() - turnAt < MOST_MS) return
  turn ??= nextTurn().then(() => {
    turn = undefined
    turnAt = now()
  })
  await turn
}

async function send<T>(run: () => Promise<T>): Promise<T> {
  await giveWay()
  try {
    return await run()
  }
  catch (error) {
    // PGlite attaches the parameter values to its errors. They are removed, so that user data is not logged.
    if (error instanceof Error && 'params' in error) delete error.params
    throw toStoreError(error)
  }
}
