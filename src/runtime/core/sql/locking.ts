import type { InputColumn, InputRows } from './rows'
import { sameAsInput } from './rows'

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

/**
 * The rows of an update or delete of several inputs, `i`: in the order of `keys`, the first columns of the statement,
 * and only those whose row is there. Each row is locked before its input goes on, and changed after that: a lateral
 * query is run for each input in their order, and `offset 0` keeps the server from joining the table to be changed
 * before it.
 * @returns nothing for a single input
 */
export function inputsLocked<I>(
  word: 'from' | 'using', table: string, keys: InputColumn<I>[], rows: InputRows<I>,
): string {
  if (!rows.from) return ''
  return ` ${word} (
  select i.* from (select i.*${rows.from} ${lockOrder(keys.map(({ name }) => rows.ref(name)))}) as i
  cross join lateral (select from ${table} t where ${sameAsInput(keys, rows, 't.')} for update) as locked
  offset 0
) as i`
}
