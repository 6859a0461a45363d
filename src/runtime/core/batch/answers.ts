import type { Row, Session } from '../db/types'
import type { Statement } from '../sql/statement'

/**
 * Rows of one page in a statement for several; whoever asked for more gets a statement of its own. Nobody has to wait
 * long for the page of somebody else.
 */
export const MAX_SHARED_PAGE = 200

/** The row of each input, with holes where an input has none. A row says by `ord`, from 1 on, which one it answers. */
export async function answers<R extends Row>(session: Session, statement: Statement, inputs: number): Promise<(R | undefined)[]> {
  const { rows } = await session.query<R>(statement)
  if (inputs === 1) return [rows[0]]
  const ordered = Array.from<R | undefined>({ length: inputs })
  for (const row of rows) ordered[Number(row.ord) - 1] = row
  return ordered
}

/** The rows of each input, in their order; those of a single one don't say whose they are. */
export function byInput<R>(rows: R[], inputs: number, ordOf: (row: R) => unknown): R[][] {
  if (inputs === 1) return [rows]
  const found = Array.from({ length: inputs }, (): R[] => [])
  for (const row of rows) found[Number(ordOf(row)) - 1]!.push(row)
  return found
}
