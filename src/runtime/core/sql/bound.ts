import type { NamedColumn } from '../shared/identifier'

/** Row limits that are part of the text of statements. Fixed steps, so that a few statements serve all pages. */
const BOUNDS = [64, 256, 1_024, 4_096, 16_384, 65_536]

/** The smallest bound that covers `rows` rows; undefined when there is none. */
export function boundOf(rows: number): number | undefined {
  return BOUNDS.find(bound => rows <= bound)
}

interface Page {
  /** Has no `order by`, but contains the columns of `order`. */
  select: string
  order: string
  bound: number | undefined
  /** The clauses `limit` and `offset`, with parameters or columns. */
  page: string
  /** The columns of `select` that are returned. */
  columns: NamedColumn[]
}

/**
 * A page of a select. The planner does not know the value of a `limit` parameter and assumes a tenth of all rows: for a
 * subject of a million events it would plan every call again, or compile the statement (JIT), which takes 20 ms and
 * more each time. A constant bound in the statement text gives it the order of magnitude.
 */
export function bounded({ select, order, bound, page, columns }: Page): string {
  if (bound === undefined) return `${select}\norder by ${order}\n${page}`
  return `
select ${columns.map(({ sql }) => sql).join(', ')} from (${select}
order by ${order}
limit ${bound}) as first_rows
order by ${order}
${page}`
}
