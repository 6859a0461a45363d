import type { NamedColumn } from '../shared/identifier'

/** The most rows a page may reach, in steps: few texts serve all pages. */
const BOUNDS = [64, 256, 1_024, 4_096, 16_384, 65_536]

/** The bound of a page that ends behind so many rows; none for one that goes further than any. */
export function boundOf(rows: number): number | undefined {
  return BOUNDS.find(bound => rows <= bound)
}

interface Page {
  /** Without an order, but with the columns of `order`. */
  select: string
  order: string
  bound: number | undefined
  /** `limit` and `offset`, of parameters or of columns. */
  page: string
  /** What of `select` is wanted. */
  columns: NamedColumn[]
}

/**
 * A page of a select. The planner can't see how many rows a parameter asks for, and reckons with a tenth of all there
 * are: for a subject of a million it would plan every call anew, or compile the statement (JIT), for 20 ms and more
 * each time. A bound in the text tells it.
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
