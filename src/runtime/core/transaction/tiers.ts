import { checkArray, checkText } from '../shared/checks'
import type { Queue, Use } from '../batch/operation'
import type { Row } from '../db/types'
import { invalidValue } from '../shared/errors'
import { sendAlone } from '../batch/alone'
import { createIndexSurface } from '../entries/api'
import { createKvSurface } from '../kv/api'
import type { Scope } from '../batch/scope'
import { createStreamSurface } from '../stream/api'
import type { TransactionSurfaces } from '../types/index'
import { withTypedViews } from '../typed/view'

// As many as the protocol can count.
const MAX_VALUES = 65_535

/** The surfaces of a transaction, by the tier that its calls are named after. */
export interface TransactionTiers extends Omit<TransactionSurfaces, 'stream' | 'query'> {
  stream: Omit<TransactionSurfaces['stream'], 'of'>
  transaction: Pick<TransactionSurfaces, 'query'>
}

/** The tiers of one transaction: every call is sent alone, after those before it have ended. */
export function transactionTiers(routes: Omit<Scope, 'use' | keyof Queue | 'sendRead'>, within: Use): TransactionTiers {
  const use: Use = work => within((session, tables) => session.atomic(call => work(call, tables)))
  const send = sendAlone(use)
  const scope: Scope = { ...routes, use, send, sendRead: send, inOrder: (_, work) => use(work) }
  return {
    stream: createStreamSurface(scope),
    index: createIndexSurface(scope),
    kv: createKvSurface(scope),
    transaction: {
      async query<R extends Row>(text: string, values: unknown[] = []) {
        checkText('text', text, Number.MAX_SAFE_INTEGER)
        const parameters = checkArray('values', values)
        if (parameters.length > MAX_VALUES) throw invalidValue('values', `must be ${MAX_VALUES} at most, not ${parameters.length}: give an array as one of them`)
        const { rows, count } = await use(session => session.raw(text, parameters))
        return { rows: rows as R[], rowCount: count }
      },
    },
  }
}

/** What a caller sees of them. */
export const flattened = ({ transaction, stream, ...surfaces }: TransactionTiers): TransactionSurfaces =>
  ({ ...surfaces, ...transaction, stream: withTypedViews(stream) })
