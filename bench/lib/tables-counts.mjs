// The effects of a load on tables, from the server's own counters, which do not depend on other load of the machine.
import { setTimeout as sleep } from 'node:timers/promises'
import { query } from './servers.mjs'

const one = async (url, text, values) => (await query(url, text, values))[0]

/** Bytes of WAL that the server has written so far; only the measured load runs on it. */
export async function walBytes(url) {
  return Number((await one(url, 'select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), \'0/0\') as bytes')).bytes)
}

/** Pages of tables and indexes that the statements in this database have read so far, from memory or disk. */
export async function pagesSeen(url) {
  return Number((await one(url, `
    select sum(heap_blks_hit + heap_blks_read + coalesce(idx_blks_hit + idx_blks_read, 0)) as pages from pg_statio_user_tables`)).pages)
}

/** Waits until all sessions of a database have ended: only then are their counters complete. */
export async function untilAlone(url) {
  const others = 'select count(*)::int as n from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and backend_type = \'client backend\''
  while ((await one(url, others)).n > 0) await sleep(10)
}

/** Counters and sizes of a table, or of each of its partitions. */
export async function tableCounts(url, table) {
  const row = await one(url, `
    select n_tup_upd as updated, n_tup_hot_upd as hot, n_dead_tup as dead, n_live_tup as live,
      autovacuum_count as vacuums, autoanalyze_count as analyzes,
      pg_relation_size(relid) as size, pg_indexes_size(relid) as indexes
    from pg_stat_user_tables where relid = $1::regclass`, [`nvent_${table}`])
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, Number(value)]))
}

/** The fill factors that the migrations set, by table. */
export async function fillFactors(url) {
  const rows = await query(url, `
    select substr(relname, 7) as table, option_value::int as value from pg_class, pg_options_to_table(reloptions)
    where relkind = 'r' and relname like 'nvent\\_%' and option_name = 'fillfactor'`)
  return Object.fromEntries(rows.map(({ table, value }) => [table, value]))
}
