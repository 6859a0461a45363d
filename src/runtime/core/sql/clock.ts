/**
 * A time since 1970, or an interval, in milliseconds, `numeric`. Both operands are, as the server has an operator for:
 * for others, one of another schema could be taken.
 */
export const epochMs = (time: string): string => `extract(epoch from ${time}) * 1000.0`

/** A timestamp as tables store it: milliseconds since 1970, a `bigint`. */
export const millisecondsSql = (time: string): string => `pg_catalog.floor(${epochMs(time)})::bigint`

/** The time by the clock of the database when the row is written. */
export const CLOCK = 'pg_catalog.clock_timestamp()'

/** So many milliseconds, as an interval. */
export const intervalSql = (parameter: string): string => `${parameter}::double precision * interval '1 millisecond'`

/** So many milliseconds from now. */
export const clockIn = (parameter: string): string => `${CLOCK} + ${intervalSql(parameter)}`

/**
 * The same as tables store it. For values that must grow in the order in which a lock is granted: a statement
 * that waited for the head of a stream may have started before the statement it waited for, so its start time could be
 * earlier than the time stored last.
 */
export const CLOCK_MS = millisecondsSql(CLOCK)

/**
 * The start of the statement. For comparing rows with an age: it is the same for all rows, so that the server can use an
 * index. The start of the transaction (`now()`) does not advance within a long transaction.
 */
export const NOW_MS = millisecondsSql('pg_catalog.statement_timestamp()')
