import { quoteIdentifier } from '../sql/identifier'
import type { InputColumn, InputRows } from './rows'
import { inputRows, sameAsInput } from './rows'

/**
 * The order in which every statement that changes several rows locks them: that of the primary keys, byte by byte.
 * Statements that want the same rows then wait for each other, but never in a circle, which the server would end with
 * an error after a second. The collation of the database and the UTF-16 units of JavaScript are other orders.
 */
export const lockOrder = (keys: string[]): string => `order by ${keys.map(key => `${key} collate pg_catalog."C"`).join(', ')}`

/**
 * A condition of an update or delete: true, and evaluated once before the first row is changed. By then all rows that
 * meet `conditions` are locked, in that order. An update by itself locks rows in the order of its plan, on a small table
 * that in which they lie.
 */
export function allLocked(from: string, conditions: string, order: string): string {
  return `(select pg_catalog.count(*) from (select from ${from} where ${conditions} ${order} for update of t) as locked) >= 0::bigint`
}

/** The same for events, of the log or its archive, in their order. */
export const eventsLocked = (table: string, conditions: string): string => allLocked(`${table} t`, conditions, 'order by version')

/** The same for the rows of several inputs, whose keys are the first columns of the statement; empty for a single one. */
export function inputsLocked<I>(table: string, keys: InputColumn<I>[], { from }: InputRows<I>): string {
  if (!from) return ''
  const rows = inputRows(keys, true)
  const columns = keys.map(({ name }) => `t.${quoteIdentifier(name)}`)
  return ` and ${allLocked(`${table} t,${rows.from.slice(' from'.length)}`, sameAsInput(keys, rows, 't.'), lockOrder(columns))}`
}
