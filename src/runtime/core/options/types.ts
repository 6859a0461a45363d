import type { Durability } from '../db/types'
import type { Logger } from '../shared/types'
import type { RetentionRule } from '../jobs/retention/types'
import type { Pool, PoolConfig } from 'pg'

/**
 * Options of a store. Each has an entry in the table of options, with its default and its check; a test compares the
 * `@default` tags with it.
 */
export interface StoreOptions {
  /**
   * A `pg` pool configuration, passed to `pg` unchanged, or a URL: `postgres://…`, `pglite://path/to/directory`
   * or `pglite://memory`.
   */
  connection?: string | PoolConfig
  /**
   * The connection for migrations: one that bypasses a pooler, or uses a role that may create tables.
   * @default connection
   */
  migrationConnection?: string | PoolConfig
  /**
   * The connection for LISTEN: one that bypasses a pooler, as poolers in transaction mode don't support LISTEN.
   * @default connection
   */
  listenConnection?: string | PoolConfig
  /** The caller's own pool, used instead of `connection`; the store never ends it. */
  pool?: Pool
  /**
   * First part of every table name: `{prefix}_kv`.
   * @default 'nvent'
   */
  prefix?: string
  /**
   * First segment of the subjects and keys that are stored in dedicated tables: `{subjectPrefix}:flow:run:…`.
   * @default prefix
   */
  subjectPrefix?: string
  /**
   * Database schema of all tables; created when it is missing and `autoMigrate` is on.
   * @default 'public'
   */
  schema?: string
  /**
   * Another schema that may contain the tables of the published adapter `@nvent-addon/adapter-store-postgres`: they are
   * adopted into `schema` unless that already has the tables of a store.
   * @default schema
   */
  adoptFrom?: string
  /**
   * Run pending migrations at start. When off, the store never runs DDL, and an outdated schema is an error
   * (SCHEMA_BEHIND) that `npx nvent-store migrate` fixes.
   * @default true
   */
  autoMigrate?: boolean
  /**
   * Maximum number of connections in the pool; takes precedence over `connection.max`.
   * @default 10
   */
  poolSize?: number
  /**
   * Use named prepared statements. Turn this off behind a pooler in transaction mode.
   * @default true
   */
  prepare?: boolean
  /**
   * Combine concurrent calls into shared statements. Results, errors and order are the same as without.
   * @default true
   */
  batching?: boolean
  /**
   * `'relaxed'`: a call does not wait until its commit is on disk (`synchronous_commit = off`). A crash of the server
   * may then lose the calls of the last fraction of a second: each one completely, and never an earlier one without
   * the later ones. Can't be set together with `pool`, which has its own setting.
   * @default 'full'
   */
  durability?: Durability
  /**
   * How long calls wait for a database that is not available before they fail, in milliseconds.
   * @default 30000
   */
  connectTimeout?: number
  /**
   * Maximum time for the response to one statement, in milliseconds; 0: no limit. After that the call rejects with
   * TIMEOUT and the connection is closed. Does not apply to migrations.
   * @default 0
   */
  queryTimeout?: number
  /**
   * For functions that are frozen between requests: one connection (unless `poolSize` or `connection.max` is set),
   * which is closed after a short idle time and does not keep the process alive.
   * @default false
   */
  serverless?: boolean
  /**
   * Maximum number of tables for subject types of generic streams; further subject types share
   * `{prefix}_events_default`.
   * @default 100
   */
  maxStreamTables?: number
  /**
   * How often expired keys are deleted, in milliseconds, on one instance at a time; 0: never. An expired key is absent
   * for readers at once in any case.
   * @default 60000
   */
  sweepInterval?: number
  /**
   * Which events are removed when: `[{ subject: 'orders:*', maxAge: '30d', action: 'drop' }]`.
   * @default []
   */
  retention?: RetentionRule[]
  /**
   * When dead letters that nothing waits behind are removed, by the job of `retention`: milliseconds, or a string like
   * `'30d'`; 0: never. Parked ones are kept.
   * @default 0
   */
  deadLetterMaxAge?: number | string
  /**
   * How often `retention` runs, in milliseconds; 0: only on request, by `store.admin.retention.run()` or, in Nitro, by
   * the task `nvent-store:retention`.
   * @default 3600000
   */
  retentionInterval?: number
  /**
   * Log calls that take longer than this, in milliseconds; 0: none. The log line has the operation, the table and the
   * duration, but no subject.
   * @default 0
   */
  slowCallMs?: number
  /**
   * How often subscriptions poll for new events, in milliseconds.
   * @default 250
   */
  pollInterval?: number
  /**
   * Notify subscriptions of other processes at once (LISTEN/NOTIFY, on one additional connection in each process that
   * subscribes). When off, they find new events by polling only.
   * @default true
   */
  notify?: boolean
  /**
   * Where to log; has the methods `info`, `warn` and `error`; `debug` is optional.
   * @default console
   */
  logger?: Logger
}
