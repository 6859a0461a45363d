import type { InputColumn, InputRows } from './rows'
import { sameAsInput } from './rows'

/**
 * The order in which every statement that changes several rows locks them: byte order of the primary keys. Statements
 * that change the same rows can then wait for each other, but never deadlock. The collation of the database and the
 * UTF-16 order of JavaScript are different orders.
 */
export const lockOrder = (keys: string[]): string => `order by ${keys.map(key => `${key} collate pg_catalog."C"`).join(', ')}`

/**
 * A condition for an update or delete that is always true and is evaluated once, before the first row is changed. It
 * locks all rows that meet `conditions` in the given order. Without it, an update locks rows in the order of its plan,
 * which on a small table is their physical order.
 */
export function allLocked(from: string, conditions: string, order: string): string {
  return `(select pg_catalog.count(*) from (select from ${from} where ${conditions} ${order} for update of t) as locked) >= 0::bigint`
}

/** The same for events of the log or the archive, in order of version. */
export const eventsLocked = (table: string, conditions: string): string => allLocked(`${table} t`, conditions, 'order by version')

/**
 * The inputs `i` of an update or delete of several rows: sorted by `keys`, and only those whose row exists. Each row is
 * locked in that order before any is changed: the lateral query runs once for each input in order, and `offset 0` keeps
 * the planner from joining the changed table before it.
 * @returns an empty string for a single input
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
