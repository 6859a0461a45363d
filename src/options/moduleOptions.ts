import type { PoolConfig } from 'pg'
import type { StoreRuntimeConfig } from '../runtime/server/config'
import type { RetentionRule } from '../runtime/core/jobs/retention/types'

/** Options of the module: `nventStorePostgres` in nuxt.config or nitro.config. All of them have defaults. */
export interface ModuleOptions {
  /**
   * The database: a `pg` pool configuration, or a URL (`postgres://…`, `pglite://path/to/directory`,
   * `pglite://memory`). Higher in precedence are `NUXT_NVENT_STORE_POSTGRES_CONNECTION` at run time,
   * `nvent.store.connection` and `nvent.connections.postgres`; lower are `DATABASE_URL` and `POSTGRES_URL` at run
   * time. One source wins whole. Secrets that come from the environment are read at run time and stay out of the
   * build, also when they are written here as `process.env.NAME`.
   * @default the embedded database in `.data/nvent-store` in development, none in production
   */
  connection?: string | PoolConfig
  /**
   * Where migrations run, when it is not `connection`: past a pooler, or as a role that may create tables.
   * `NUXT_NVENT_STORE_POSTGRES_MIGRATION_CONNECTION` at run time.
   * @default connection
   */
  migrationConnection?: string | PoolConfig
  /**
   * Where to LISTEN, when it is not `connection`: a pooler in transaction mode can't do that.
   * `NUXT_NVENT_STORE_POSTGRES_LISTEN_CONNECTION` at run time.
   * @default connection
   */
  listenConnection?: string | PoolConfig
  /**
   * First part of every table name: `{prefix}_kv`.
   * @default nvent.store.prefix, or 'nvent'
   */
  prefix?: string
  /**
   * Database schema of all tables; created when it is missing and `autoMigrate` is on.
   * @default 'public'
   */
  schema?: string
  /**
   * Bring the schema up to date at start. When off, no DDL is ever run, and a schema that is behind is an error
   * that `npx nvent-store migrate` fixes.
   * @default true
   */
  autoMigrate?: boolean
  /**
   * Most connections in the pool; wins over `connection.max`.
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
   * `'relaxed'`: calls don't wait for the disk; a crash of the server may lose those of the last moment.
   * @default 'full'
   */
  durability?: StoreRuntimeConfig['durability']
  /**
   * How long a start keeps trying to reach a database that is down before calls that wait for it fail, in
   * milliseconds. Trying goes on in the background.
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
   * For functions that run one request at a time and stand still after it: one connection, let go before each
   * response is sent.
   * @default true when the app is built for Vercel, Netlify, AWS Lambda, Azure or Firebase functions
   */
  serverless?: boolean
  /**
   * Most tables that generic streams may get of their own; further subject types share `{prefix}_events_default`.
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
   * How often `retention` is carried out, in milliseconds; 0: only when asked, by the task `nvent-store:retention` or by
   * `store.admin.retention.run()`.
   * @default 3600000
   */
  retentionInterval?: number
  /**
   * Log calls that take longer than this, in milliseconds: operation, table and duration, no subject; 0: none.
   * @default 0
   */
  slowCallMs?: number
  /**
   * A route that answers how the store is, as JSON, with 200 or 503: `'/_store/health'`. Open to whoever reaches it.
   * @default none
   */
  health?: string
  /**
   * A route that answers with the metrics in the text format of Prometheus: `'/_store/metrics'`. Open to whoever
   * reaches it.
   * @default none
   */
  metrics?: string
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
}

/** Private runtime config of the module, overridable with `NUXT_NVENT_STORE_POSTGRES_*`. */
export interface ModuleRuntimeConfig {
  nventStorePostgres: StoreRuntimeConfig
}
