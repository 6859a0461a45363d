import { query } from './servers.mjs'

/**
 * Makes many copies of a row that the store has written, with other values in some columns: fast, and independent of
 * the columns that the table has.
 * @param {string} url
 * @param {string} table
 * @param {string} template SQL condition that finds the row
 * @param {string} series SQL that makes one row for each copy, in the order they are to be written
 * @param {Record<string, string | null>} columns SQL by column, of `copy` (the row) and `made` (a row of the
 *   series); null leaves a column to its default
 */
export async function multiply(url, table, template, series, columns) {
  const names = (await query(url, `
    select attname as name from pg_attribute
    where attrelid = $1::regclass and attnum > 0 and not attisdropped and attgenerated = '' order by attnum`, [`"${table}"`]))
    .map(({ name }) => name)
    .filter(name => columns[name] !== null)
  await query(url, `
    insert into "${table}" (${names.map(name => `"${name}"`).join(', ')})
    select ${names.map(name => columns[name] ?? `copy."${name}"`).join(', ')}
    from (select * from "${table}" where ${template} limit 1) as copy, (${series}) as made`)
}

/** Fills a table without its indexes and builds them afterwards: millions of rows in a fraction of the time. */
export async function withoutIndexes(url, table, fill) {
  await query(url, 'update pg_index set indisready = false where indrelid = $1::regclass', [`"${table}"`])
  await fill()
  await query(url, `set maintenance_work_mem = '1GB'; reindex table "${table}"`)
}

/** Does what autovacuum does some time after a big import. */
export async function settle(url) {
  await query(url, 'vacuum analyze')
  await query(url, 'checkpoint')
}

export const literal = value => `'${String(value).replaceAll('\'', '\'\'')}'`
