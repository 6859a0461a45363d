import type { Durability } from './db/types'
import type { Logger } from './shared/types'
import type { Pool, PoolConfig } from 'pg'
import { connection, requireOneDatabase } from './db/connection/connectionChecks'
import { invalidOption } from './shared/errors'
import { flag, identifier, integer, milliseconds, refuseUnknown, segment, tablePrefix } from './shared/optionChecks'
import type { RetentionRule } from './jobs/retention/types'

const DURABILITIES: Durability[] = ['full', 'relaxed']

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
   * Bring the schema up to date at start. When off, no DDL is ever run and a schema that is behind is an error.
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
   * `'relaxed'`: a call does not wait until its commit is on disk (`synchronous_commit = off`). A crash of the server
   * may then lose what it acknowledged last, well under a second; never a part of a call, and nothing out of order. A
   * pool of the caller's own decides for itself.
   * @default 'full'
   */
  durability?: Durability
  /**
   * How long a start keeps trying to reach a database that is down, in milliseconds.
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
   * How often `retention` is carried out, in milliseconds; 0: only when asked, by `admin.retention.run()`.
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

export interface ResolvedStoreOptions extends Required<Omit<StoreOptions, 'connection' | 'migrationConnection' | 'listenConnection' | 'pool' | 'poolSize' | 'adoptFrom'>> {
  connection: string | PoolConfig | undefined
  migrationConnection: string | PoolConfig | undefined
  listenConnection: string | PoolConfig | undefined
  pool: Pool | undefined
  poolSize: number | undefined
  adoptFrom: string | undefined
}

/**
 * Checks what can be checked without a database and fills in the defaults.
 * @throws {StoreError} INVALID_OPTION that names the option
 */
export function resolveOptions(options: StoreOptions): ResolvedStoreOptions {
  if (typeof options !== 'object' || options === null) throw invalidOption('options', 'must be an object with the options of the store')
  // A mistyped name first: what it was meant for would only be missing.
  refuseUnknown(options, NAMES)
  const resolved = readOptions(options)
  for (const name of ['migrationConnection', 'listenConnection'] as const) requireOneDatabase(name, resolved[name], resolved.connection)
  return resolved
}

function readOptions(options: StoreOptions): ResolvedStoreOptions {
  const prefix = tablePrefix(options.prefix ?? 'nvent')
  return {
    connection: options.pool ? undefined : connection('connection', options.connection),
    migrationConnection: another('migrationConnection', options.migrationConnection),
    listenConnection: another('listenConnection', options.listenConnection),
    pool: options.pool && withMethods('pool', options.pool, ['connect', 'query']),
    prefix,
    subjectPrefix: segment('subjectPrefix', options.subjectPrefix ?? prefix),
    schema: identifier('schema', options.schema ?? 'public'),
    adoptFrom: options.adoptFrom === undefined ? undefined : identifier('adoptFrom', options.adoptFrom),
    autoMigrate: flag('autoMigrate', options.autoMigrate ?? true),
    poolSize: options.poolSize === undefined ? undefined : integer('poolSize', options.poolSize, 1),
    prepare: flag('prepare', options.prepare ?? true),
    batching: flag('batching', options.batching ?? true),
    durability: durability(options),
    connectTimeout: milliseconds('connectTimeout', options.connectTimeout ?? 30_000, 0),
    queryTimeout: milliseconds('queryTimeout', options.queryTimeout ?? 0, 0),
    serverless: flag('serverless', options.serverless ?? false),
    maxStreamTables: integer('maxStreamTables', options.maxStreamTables ?? 100, 0),
    sweepInterval: milliseconds('sweepInterval', options.sweepInterval ?? 60_000, 0),
    retention: options.retention ?? [],
    retentionInterval: milliseconds('retentionInterval', options.retentionInterval ?? 3_600_000, 0),
    slowCallMs: milliseconds('slowCallMs', options.slowCallMs ?? 0, 0),
    pollInterval: milliseconds('pollInterval', options.pollInterval ?? 250, 1),
    notify: flag('notify', options.notify ?? true),
    logger: withMethods('logger', options.logger ?? console, ['info', 'warn', 'error']),
  }
}

const NAMES = Object.keys(readOptions({ connection: 'pglite://memory' }))

function another(option: string, value: StoreOptions['connection']): string | PoolConfig | undefined {
  return value === undefined ? undefined : connection(option, value)
}

function withMethods<T extends object>(option: string, value: T, methods: (keyof T & string)[]): T {
  const missing = methods.find(name => typeof value?.[name] !== 'function')
  if (missing) throw invalidOption(option, `must have a method \`${missing}\``)
  return value
}

function durability({ durability = 'full', pool }: StoreOptions): Durability {
  if (!DURABILITIES.includes(durability)) throw invalidOption('durability', `must be 'full' or 'relaxed', not ${JSON.stringify(durability)}`)
  if (durability === 'relaxed' && pool) {
    throw invalidOption('durability', 'can\'t be changed on a pool of your own: give it `options: \'-c synchronous_commit=off\'`')
  }
  return durability
}
