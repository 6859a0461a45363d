import type { Durability } from '../db/types'
import type { Logger } from '../shared/types'
import type { RetentionRule } from '../jobs/retention/types'
import type { Pool, PoolConfig } from 'pg'

/**
 * Options of a store. Each has an entry in the table of options, with its default and its check: a test holds the
 * `@default` tags here against it.
 */
export interface StoreOptions {
  /**
   * A `pg` pool configuration, handed to `pg` unchanged, or a URL: `postgres://…`, `pglite://path/to/directory`
   * or `pglite://memory`.
   */
  connection?: string | PoolConfig
  /**
   * Where migrations run, when it is not `connection`: past a pooler, or as a role that may create tables.
   * @default connection
   */
  migrationConnection?: string | PoolConfig
  /**
   * Where to LISTEN, when it is not `connection`: a pooler in transaction mode can't do that.
   * @default connection
   */
  listenConnection?: string | PoolConfig
  /** A pool of the caller's own, used instead of `connection` and never ended by the store. */
  pool?: Pool
  /**
   * First part of every table name: `{prefix}_kv`.
   * @default 'nvent'
   */
  prefix?: string
  /**
   * First segment of the subjects and keys that have tables of their own: `{subjectPrefix}:flow:run:…`.
   * @default prefix
   */
  subjectPrefix?: string
  /**
   * Database schema of all tables; created when it is missing and `autoMigrate` is on.
   * @default 'public'
   */
  schema?: string
  /**
   * Another schema where the tables of the published adapter `@nvent-addon/adapter-store-postgres` may be: they are
   * adopted into `schema` while that has no tables of a store.
   * @default schema
   */
  adoptFrom?: string
  /**
   * Bring the schema up to date at start. When off, no DDL is ever run, and a schema that is behind is an error
   * that `npx nvent-store migrate` fixes.
   * @default true
   */
  autoMigrate?: boolean
  /**
   * Maximum number of connections in the pool; wins over `connection.max`.
   * @default 10
   */
  poolSize?: number
  /**
   * Prepare statements under names of their own. Switch off behind a pooler in transaction mode.
   * @default true
   */
  prepare?: boolean
  /**
   * Make one statement of calls that come at the same time. Nobody can see it but by speed.
   * @default true
   */
  batching?: boolean
  /**
   * `'relaxed'`: a call does not wait until its commit is on disk (`synchronous_commit = off`). A crash of the server
   * may then lose what it acknowledged last, well under a second; never a part of a call, and nothing out of order. A
   * pool of the caller's own decides for itself.
   * @default 'full'
   */
  durability?: Durability
  /**
   * How long a start keeps trying to reach a database that is down before the calls that wait for it fail, in
   * milliseconds.
   * @default 30000
   */
  connectTimeout?: number
  /**
   * How long the answer to one statement may take, in milliseconds; 0: as long as it takes. Then the call rejects with
   * TIMEOUT and the connection is given up. Migrations have no such limit.
   * @default 0
   */
  queryTimeout?: number
  /**
   * For functions that run one request at a time and stand still after it: one connection (unless `poolSize` or
   * `connection.max` say otherwise), closed soon when it is idle, which keeps no process from ending.
   * @default false
   */
  serverless?: boolean
  /**
   * Maximum number of tables that generic streams may get of their own; further subject types share
   * `{prefix}_events_default`.
   * @default 100
   */
  maxStreamTables?: number
  /**
   * How often expired keys are removed, in milliseconds, on one instance at a time; 0 switches it off. Expired keys are
   * absent at once anyway.
   * @default 60000
   */
  sweepInterval?: number
  /**
   * Which events go when: `[{ subject: 'orders:*', maxAge: '30d', action: 'drop' }]`.
   * @default []
   */
  retention?: RetentionRule[]
  /**
   * How often `retention` is carried out, in milliseconds; 0: only when asked, by `store.admin.retention.run()` or, in
   * Nitro, by the task `nvent-store:retention`.
   * @default 3600000
   */
  retentionInterval?: number
  /**
   * Log calls that take longer than this, in milliseconds: operation, table and duration, no subject; 0: none.
   * @default 0
   */
  slowCallMs?: number
  /**
   * How often a subscription looks for new events, in milliseconds.
   * @default 250
   */
  pollInterval?: number
  /**
   * Wake the subscriptions of other processes at once (LISTEN/NOTIFY, on one more connection for each process that
   * subscribes). When off, they find new events by polling.
   * @default true
   */
  notify?: boolean
  /**
   * Where to log.
   * @default console
   */
  logger?: Logger
}
