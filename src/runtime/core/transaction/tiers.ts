import { checkArray, checkText } from '../shared/checks'
import type { Queue, Use } from '../batch/operation'
import type { Row } from '../db/types'
import { invalidValue } from '../shared/errors'
import { directScope } from '../batch/tierScope'
import { createTransactionDedupe } from '../dedupe/once'
import { createIndexApi } from '../entries/api'
import type { IndexScope } from '../entries/api'
import { createKvApi } from '../kv/api'
import { createOutboxWriter } from '../outbox/enqueue'
import type { StreamScope } from '../stream/streamScope'
import { createRules } from '../rules/api'
import { createStreamOperations } from '../stream/api'
import type { TransactionApi } from './types'
import { withTypedViews } from '../typed/view'

// The limit of the protocol.
const MAX_VALUES = 65_535

/** The APIs of a transaction, by the prefix of the names under which their calls are counted and traced. */
export interface TransactionTiers extends Omit<TransactionApi, 'stream' | 'query'> {
  stream: Omit<TransactionApi['stream'], 'of'>
  transaction: Pick<TransactionApi, 'query'>
}

/** The parts of the scopes that all transactions share; how calls are sent is specific to each transaction. */
export type TransactionRoutes = Omit<StreamScope & IndexScope, 'use' | keyof Queue | 'sendRead'> & { subjectPrefix: string }

/** The APIs of one transaction: every call is sent on its own, after the calls before it have ended. */
export function transactionTiers(routes: TransactionRoutes, within: Use): TransactionTiers {
  const use: Use = work => within((session, tables) => session.atomic(call => work(call, tables)))
  const scope: StreamScope & IndexScope = { ...routes, ...directScope(routes.context, use) }
  const stream = createStreamOperations(scope)
  return {
    stream,
    index: createIndexApi(scope),
    kv: createKvApi(scope),
    dedupe: createTransactionDedupe(scope),
    rules: createRules(scope),
    outbox: createOutboxWriter(stream.append, routes.subjectPrefix),
    transaction: {
      async query<R extends Row>(text: string, values: unknown[] = []) {
        checkText('text', text, Number.MAX_SAFE_INTEGER)
        const parameters = checkArray('values', values)
        if (parameters.length > MAX_VALUES) throw invalidValue('values', `must be ${MAX_VALUES} at most, not ${parameters.length}: pass an array as one of them`)
        const { rows, count } = await use(session => session.raw(text, parameters))
        return { rows: rows as R[], rowCount: count }
      },
    },
  }
}

/** The same APIs in the shape that callers get. */
export const flattened = ({ transaction, stream, ...apis }: TransactionTiers): TransactionApi =>
  ({ ...apis, ...transaction, stream: withTypedViews(stream) })
