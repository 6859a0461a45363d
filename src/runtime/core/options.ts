import type { Pool, PoolConfig } from 'pg'
import { invalidOption } from './errors'
import type { RetentionRule } from './types/index'

/** Where the store writes what it has to say. `console` and consola fit. */
export interface Logger {
  info(message: string): void
  warn(message: string): void
  error(message: string, error?: unknown): void
}

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

export interface ResolvedStoreOptions extends Required<Omit<StoreOptions, 'connection' | 'migrationConnection' | 'listenConnection' | 'pool' | 'poolSize'>> {
  connection: string | PoolConfig | undefined
  migrationConnection: string | PoolConfig | undefined
  listenConnection: string | PoolConfig | undefined
  pool: Pool | undefined
  poolSize: number | undefined
}

// The longest name made from a prefix is `idx_{prefix}_scheduler_jobs_next_run`; PostgreSQL cuts names at 63 bytes.
const MAX_PREFIX_BYTES = 32
const MAX_SCHEMA_BYTES = 63

/**
 * Checks what can be checked without a database and fills in the defaults.
 * @throws {StoreError} INVALID_OPTION that names the option
 */
export function resolveOptions(options: StoreOptions): ResolvedStoreOptions {
  const prefix = identifier('prefix', options.prefix ?? 'nvent', MAX_PREFIX_BYTES)
  return {
    connection: options.pool ? undefined : connection('connection', options.connection),
    migrationConnection: another('migrationConnection', options.migrationConnection),
    listenConnection: another('listenConnection', options.listenConnection),
    pool: options.pool,
    prefix,
    subjectPrefix: segment('subjectPrefix', options.subjectPrefix ?? prefix),
    schema: identifier('schema', options.schema ?? 'public', MAX_SCHEMA_BYTES),
    autoMigrate: flag('autoMigrate', options.autoMigrate ?? true),
    poolSize: options.poolSize === undefined ? undefined : integer('poolSize', options.poolSize, 1),
    prepare: flag('prepare', options.prepare ?? true),
    batching: flag('batching', options.batching ?? true),
    connectTimeout: integer('connectTimeout', options.connectTimeout ?? 30_000, 0),
    queryTimeout: integer('queryTimeout', options.queryTimeout ?? 0, 0),
    serverless: flag('serverless', options.serverless ?? false),
    maxStreamTables: integer('maxStreamTables', options.maxStreamTables ?? 100, 0),
    sweepInterval: integer('sweepInterval', options.sweepInterval ?? 60_000, 0),
    retention: options.retention ?? [],
    retentionInterval: integer('retentionInterval', options.retentionInterval ?? 3_600_000, 0),
    slowCallMs: integer('slowCallMs', options.slowCallMs ?? 0, 0),
    pollInterval: integer('pollInterval', options.pollInterval ?? 250, 1),
    notify: flag('notify', options.notify ?? true),
    logger: options.logger ?? console,
  }
}

function another(option: string, value: StoreOptions['connection']): string | PoolConfig | undefined {
  return value === undefined ? undefined : connection(option, value)
}

function connection(option: string, value: StoreOptions['connection']): string | PoolConfig {
  if (typeof value === 'string' && value !== '') return value
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  throw invalidOption(option, 'must be a URL or a pg pool configuration; `pglite://memory` needs no server')
}

/** Any name PostgreSQL can hold in quotes is fine: mixed case, dashes, spaces, quotes. */
export function identifier(option: string, value: unknown, maxBytes = MAX_SCHEMA_BYTES): string {
  if (typeof value !== 'string' || value === '') throw invalidOption(option, 'must be a text that is not empty')
  if (value.includes('\0') || !value.isWellFormed()) {
    throw invalidOption(option, 'holds a character PostgreSQL names can\'t hold (NUL or half a surrogate pair)')
  }
  const bytes = Buffer.byteLength(value)
  if (bytes > maxBytes) {
    throw invalidOption(option, `is ${bytes} bytes long, the longest that fits PostgreSQL's 63-byte names is ${maxBytes}`)
  }
  return value
}

export const tablePrefix = (value: unknown): string => identifier('prefix', value, MAX_PREFIX_BYTES)

function segment(option: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') throw invalidOption(option, 'must be a text that is not empty')
  return value
}

function flag(option: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw invalidOption(option, `must be true or false, not ${JSON.stringify(value)}`)
  return value
}

function integer(option: string, value: unknown, min: number): number {
  if (!Number.isSafeInteger(value) || (value as number) < min) {
    throw invalidOption(option, `must be a whole number of at least ${min}, not ${String(value)}`)
  }
  return value as number
}
