import type { Session } from '../../db/types'
import { sqlStateOf } from '../../db/errors'
import { StoreError } from '../../shared/errors'
import type { Statement } from '../../sql/statement'
import type { StatementContext } from '../../sql/template'
import { enterOrder } from '../../sql/order'
import type { Row } from '../../tables/types'

const NOT_NULL_VIOLATION = '23502'
const SERIALIZATION_FAILURE = '40001'

/**
 * Where the fence stands: it moves on with each change of what runs in the transaction of an append. A sequence is read as
 * it is now, also by a transaction whose snapshot is older. Every change holds a lock on the heads until it is committed,
 * and a statement that appends has its own lock on them before it comes to this.
 */
export const readFence = ({ names }: StatementContext): string => `(select last_value + is_called::int from ${names.table('inline_fence_seq')})`

/**
 * The scalar expression of `enterOrder`, for an append that knows of everything that has to run in its transaction; null
 * for one that does not, which no head takes.
 */
export const enterFenced = (context: StatementContext, fence: string): string =>
  `case when ${readFence(context)} = ${fence} then ${enterOrder(context)} end`

/**
 * Sends a statement of an append.
 * @throws {StoreError} DATABASE, as after a serialization failure, when the fence has moved on
 */
export async function queryFenced<R extends Row>(session: Session, statement: Statement) {
  try {
    return await session.query<R>(statement)
  }
  catch (error) {
    throw isFenceError(error) ? movedOn(error) : error
  }
}

function isFenceError(error: unknown): boolean {
  if (!(error instanceof StoreError) || sqlStateOf(error) !== NOT_NULL_VIOLATION) return false
  return (error.cause as { column?: string }).column === 'first_id'
}

const outdated = new WeakSet<object>()

/** Whether an append was refused since what runs in its transaction has changed. */
export const isFenceMoved = (error: unknown): boolean => error instanceof StoreError && outdated.has(error)

export function movedOn(cause?: unknown): StoreError {
  const message = 'the inline projections of the store have changed since this transaction began: run it again'
  const error = new StoreError('DATABASE', message, {
    retryable: true, details: { sqlState: SERIALIZATION_FAILURE }, cause: Object.assign(new Error(message, { cause }), { code: SERIALIZATION_FAILURE }),
  })
  outdated.add(error)
  return error
}
