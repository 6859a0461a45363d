/** A point in time as tables hold it: milliseconds since 1970, a `bigint`. */
export const millisecondsSql = (time: string): string => `pg_catalog.floor(extract(epoch from ${time}) * 1000.0)::bigint`

/**
 * When the row is written. For what has to grow in the order in which a lock is given out: a statement that waited for
 * the head of a stream began before the one that it waited for, and the time of its start would go backwards.
 */
export const CLOCK_MS = millisecondsSql('pg_catalog.clock_timestamp()')

/**
 * When the statement began. For comparing rows with an age: the same for all rows, and the server can use an index.
 * The start of the transaction (`now()`) would stand still while one goes on.
 */
export const NOW_MS = millisecondsSql('pg_catalog.statement_timestamp()')
