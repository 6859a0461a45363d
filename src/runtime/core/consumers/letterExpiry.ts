import type { Session } from '../db/types'
import type { StatementContext } from '../sql/template'
import { expireLetters } from './deadLettersSql'

/** A step that removes letters of a certain age; undefined where they are kept. */
export function letterExpiry(context: StatementContext, maxAgeMs: number) {
  if (maxAgeMs === 0) return undefined
  return async (session: Session, limit: number): Promise<number> => (await session.query(expireLetters(context, { maxAgeMs, limit }))).count
}
