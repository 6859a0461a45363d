import type { Row, Session } from '../db/types'
import type { Statement } from '../sql/statement'

/**
 * Maximum number of rows of a page in a shared statement. A call for more rows gets a statement of its own, so that
 * other calls do not wait for it.
 */
export const MAX_SHARED_PAGE = 200

/** The row of each input; undefined for an input without one. The column `ord` is the number of the input, starting at 1. */
export async function answers<R extends Row>(session: Session, statement: Statement, inputs: number): Promise<(R | undefined)[]> {
  const { rows } = await session.query<R>(statement)
  if (inputs === 1) return [rows[0]]
  const ordered = Array.from<R | undefined>({ length: inputs })
  for (const row of rows) ordered[Number(row.ord) - 1] = row
  return ordered
}

/** The rows of each input, in the order of the inputs. Rows of a single input have no `ord`. */
export function byInput<R>(rows: R[], inputs: number, ordOf: (row: R) => unknown): R[][] {
  if (inputs === 1) return [rows]
  const found = Array.from({ length: inputs }, (): R[] => [])
  for (const row of rows) found[Number(ordOf(row)) - 1]!.push(row)
  return found
}
