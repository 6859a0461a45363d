import { castOf, fieldsOf } from '../spec/fields'
import type { TableSpec } from '../spec/types'

/** One value of an input, and the type it is cast to. */
export interface InputColumn<I> {
  name: string
  cast: string
  of(input: I): unknown
  /** The same for all inputs that share a statement. */
  shared?: boolean
}

export interface InputRows<I> {
  /** The value in SQL: a parameter, or a column of the rows. */
  ref(name: string): string
  /** Which input a row answers, from 1 on. */
  ord: string
  /** ` from unnest(…) as i(…)`; empty for a single input. */
  from: string
  /** Parameters from the second on; the first one is the tenant. */
  values(inputs: readonly I[]): unknown[]
}

/**
 * Gives one input to a statement as parameters, or many of them as arrays that `unnest` makes rows of: both forms
 * of a statement are built by the same code.
 */
export function inputRows<I>(columns: InputColumn<I>[], many: boolean): InputRows<I> {
  const spread = (column: InputColumn<I>) => many && !column.shared
  const parameters = columns.map((column, at) => `$${at + 2}::${column.cast}${spread(column) ? '[]' : ''}`)
  const refs = new Map(columns.map((column, at) => [column.name, spread(column) ? `i."${column.name}"` : parameters[at]!]))
  const arrays = parameters.filter((_, at) => spread(columns[at]!))
  const names = columns.filter(spread).map(column => `"${column.name}"`)
  return {
    ref: name => refs.get(name)!,
    ord: many ? 'i.ord' : '1',
    from: many ? ` from unnest(${arrays.join(', ')}) with ordinality as i(${names.join(', ')}, ord)` : '',
    values: inputs => columns.map(column => spread(column) ? inputs.map(column.of) : column.of(inputs[0]!)),
  }
}

/** Columns in a select list. JSON goes as text: a driver that parses it can't tell the null of JSON from none. */
export function selectColumns(spec: TableSpec, columns: string[], table = ''): string {
  const json = new Set([spec.rest, ...fieldsOf(spec).filter(field => castOf(field.type) === 'jsonb').map(field => field.column)])
  return columns.map(column => `${table}"${column}"${json.has(column) ? `::text as "${column}"` : ''}`).join(', ')
}
