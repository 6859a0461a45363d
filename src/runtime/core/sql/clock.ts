/** A timestamp as tables store it: milliseconds since 1970, a `bigint`. */
export const millisecondsSql = (time: string): string => `pg_catalog.floor(extract(epoch from ${time}) * 1000.0)::bigint`

/**
 * The time at which the row is written. For values that must grow in the order in which a lock is granted: a statement
 * that waited for the head of a stream may have started before the statement it waited for, so its start time could be
 * earlier than the time stored last.
 */
export const CLOCK_MS = millisecondsSql('pg_catalog.clock_timestamp()')

/**
 * The start of the statement. For comparing rows with an age: it is the same for all rows, so that the server can use an
 * index. The start of the transaction (`now()`) does not advance within a long transaction.
 */
export const NOW_MS = millisecondsSql('pg_catalog.statement_timestamp()')
