import { quoteIdentifier } from '../shared/identifier'
import type { Check, Finding } from './types'
import { fail, orElse, warn } from './types'

const MANY_DEAD = 10_000
const DEAD_SHARE = 0.2
const MIN_SHARED_BUFFERS_MB = 128

export const deadTuples: Check = {
  name: 'dead tuples',
  async run({ db, names }) {
    const { rows } = await db.query<{ name: string, dead: string, live: string, vacuumed: string | null }>({
      text: `select relname::text as name, n_dead_tup as dead, n_live_tup as live,
        pg_catalog.to_char(greatest(last_vacuum, last_autovacuum), 'YYYY-MM-DD HH24:MI') as vacuumed
        from pg_catalog.pg_stat_user_tables
        where schemaname = $1::text and pg_catalog.starts_with(relname::text, $2::text)
          and n_dead_tup > $3::bigint and n_dead_tup::double precision > $4::double precision * n_live_tup::double precision
        order by n_dead_tup desc`,
      values: [names.schema, `${names.prefix}_`, MANY_DEAD, DEAD_SHARE],
    })
    return orElse(rows.map(({ name, dead, live, vacuumed }) => warn(
      `${name} has ${dead} dead rows beside ${live} live ones, last vacuumed ${vacuumed ?? 'never'}`,
      `vacuum ${quoteIdentifier(names.schema)}.${quoteIdentifier(name)}; if it happens again, look for long transactions, or set autovacuum_vacuum_scale_factor = 0.05 on it`,
    )), 'no table has many dead rows')
  },
}

export const longTransactions: Check = {
  name: 'long transactions',
  server: true,
  async run({ db, options }) {
    const { rows } = await db.query<{ pid: number, application: string, state: string, seconds: number }>({
      text: `select pid, application_name as application, state, extract(epoch from pg_catalog.now() - xact_start)::integer as seconds
        from pg_catalog.pg_stat_activity
        where datname = pg_catalog.current_database() and pid <> pg_catalog.pg_backend_pid() and backend_type = 'client backend' and pg_catalog.now() - xact_start > pg_catalog.make_interval(secs => $1::double precision)
        order by xact_start`,
      values: [options.longTransaction],
    })
    return orElse(rows.map(({ pid, application, state, seconds }) => warn(
      `process ${pid}${application && ` of ${application}`} has had a transaction open for ${seconds} s (${state})`,
      `dead rows can't be removed until it ends: find out what it does, or select pg_terminate_backend(${pid})`,
    )), 'no transaction is open for long')
  },
}

/** Settings that can cost durability or speed; a finding is reported when `wrong` holds for the value. */
const doubtful: { name: string, wrong(value: string): boolean, finding(value: string): Finding }[] = [
  {
    name: 'fsync',
    wrong: value => value === 'off',
    finding: () => fail('fsync is off: a crash of the machine can destroy the database', 'set fsync = on'),
  },
  {
    name: 'full_page_writes',
    wrong: value => value === 'off',
    finding: () => fail('full_page_writes is off: a crash of the machine can destroy pages', 'set full_page_writes = on, unless the file system writes pages whole'),
  },
  {
    name: 'synchronous_commit',
    wrong: value => value === 'off',
    finding: () => warn('synchronous_commit is off: a crash may lose the most recent commits', 'set synchronous_commit = on for this role, unless that is intended'),
  },
  {
    name: 'autovacuum',
    wrong: value => value === 'off',
    finding: () => warn('autovacuum is off: tables grow and get slower', 'set autovacuum = on'),
  },
  {
    name: 'track_counts',
    wrong: value => value === 'off',
    finding: () => warn('track_counts is off: autovacuum does not know when to work', 'set track_counts = on'),
  },
  {
    name: 'shared_buffers',
    // In pages of 8 kB.
    wrong: value => Number(value) / 128 < MIN_SHARED_BUFFERS_MB,
    finding: value => warn(`shared_buffers is ${Number(value) / 128} MB`, 'set it to about a quarter of the server\'s memory'),
  },
  {
    name: 'default_transaction_isolation',
    wrong: value => value === 'repeatable read' || value === 'serializable',
    finding: value => warn(`transactions are ${value} by default: calls on the same keys fail with serialization errors`, 'set default_transaction_isolation = \'read committed\' for this role'),
  },
  {
    name: 'default_transaction_read_only',
    wrong: value => value === 'on',
    finding: () => fail('transactions are read-only by default: every write fails', 'connect to the primary, or set default_transaction_read_only = off for this role'),
  },
  {
    name: 'in_hot_standby',
    wrong: value => value === 'on',
    finding: () => fail('this server is a standby: every write fails', 'connect to the primary'),
  },
  {
    name: 'statement_timeout',
    wrong: value => Number(value) > 0 && Number(value) < 1_000,
    finding: value => warn(`statement_timeout is ${value} ms: large reads and migrations are cut off`, 'raise it, at least for the role that migrates'),
  },
]

export const settings: Check = {
  name: 'settings',
  server: true,
  async run({ db }) {
    const { rows } = await db.query<{ name: string, setting: string }>({
      text: 'select name, setting from pg_catalog.pg_settings where name = any($1::text[])', values: [doubtful.map(({ name }) => name)],
    })
    const values = new Map(rows.map(({ name, setting }) => [name, setting]))
    return orElse(
      doubtful.flatMap(({ name, wrong, finding }) => values.has(name) && wrong(values.get(name)!) ? [finding(values.get(name)!)] : []),
      'no setting is known to be slow or unsafe',
    )
  },
}
