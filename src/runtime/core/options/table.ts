import { connection, requireOneDatabase } from '../db/connection/connectionChecks'
import { DEFAULT_POOL_SIZE } from '../db/pg/poolConfig'
import { checkAge, readRules } from '../jobs/retention/rules'
import { DEFAULT_NAMES } from '../shared/identifier'
import { flag, identifier, integer, milliseconds, nonEmpty, tablePrefix } from '../shared/optionChecks'
import type { Logger } from '../shared/types'
import { durability, methods, optional } from './storeOptionChecks'
import type { StoreOptions } from './types'

/** The single definition of an option: every other list of options is derived from it, or tested against it. */
export interface Option<Value> {
  /** Undefined: no default. A function gets the other options: resolved above this one in the table, as given below. */
  default: Value | undefined | ((options: StoreOptions) => Value | undefined)
  /**
   * Checks and converts a value; gets the default where none was given.
   * @throws {StoreError} INVALID_OPTION with the name of the option
   */
  check(name: string, value: unknown, options: StoreOptions): unknown
  /**
   * Where the option is set. `'config'`: nuxt.config or nitro.config, overridden by an environment variable. `'nvent'`:
   * derived from nvent's options, overridden by a variable. `'code'`: `createStore` only.
   */
  from: 'config' | 'nvent' | 'code'
  /** Special treatment in runtime config: a name is read from the environment as a string, a connection may hold secrets. */
  kind?: 'name' | 'connection'
  /** An empty string in runtime config where it is not given: the default is applied when the app starts. */
  empty?: true
  /** `null` is an invalid value. Without it, `null` counts as not given, as undefined does. */
  refusesNull?: true
  /** The default as in the `@default` tag, where it is not a constant. */
  shown?: string
  /** One line for the README. */
  summary: string
  /** The default as in the README, where the modules have a different one. */
  moduleDefault?: string
}

export const OPTIONS = {
  connection: {
    default: undefined, from: 'config', kind: 'connection', empty: true,
    check: (name, value, { pool }) => pool ? undefined : connection(name, value),
    summary: 'a `pg` pool configuration, or a URL: `postgres://…`, `pglite://path`, `pglite://memory`',
    moduleDefault: 'see below',
  },
  migrationConnection: {
    default: undefined, shown: 'connection', from: 'config', kind: 'connection', empty: true,
    check: optional(anotherConnection),
    summary: 'the connection for migrations: one that bypasses a pooler, or uses another role',
  },
  listenConnection: {
    default: undefined, shown: 'connection', from: 'config', kind: 'connection', empty: true,
    check: optional(anotherConnection),
    summary: 'the connection for LISTEN: one that bypasses a pooler',
  },
  pool: {
    default: undefined, from: 'code',
    check: (name, value: StoreOptions['pool']) => value ? methods(name, value, ['connect', 'query']) : undefined,
    summary: 'the caller\'s own pool, used instead of `connection`',
  },
  prefix: {
    default: DEFAULT_NAMES.prefix, from: 'config', kind: 'name',
    check: (_, value) => tablePrefix(value),
    summary: 'first part of every table name',
    moduleDefault: '`nvent.store.prefix`, or `\'nvent\'`',
  },
  subjectPrefix: {
    default: ({ prefix }) => prefix, shown: 'prefix', from: 'nvent', kind: 'name', empty: true,
    check: nonEmpty,
    summary: 'first segment of the subjects and keys that have tables of their own',
  },
  schema: {
    default: DEFAULT_NAMES.schema, from: 'config', kind: 'name',
    check: (name, value) => identifier(name, value),
    summary: 'database schema; created when it is missing',
  },
  adoptFrom: {
    default: undefined, shown: 'schema', from: 'nvent', kind: 'name', empty: true,
    check: optional((name, value) => identifier(name, value)),
    summary: 'another schema, whose tables of the published adapter are adopted',
  },
  autoMigrate: {
    default: true, from: 'config',
    check: flag,
    summary: 'create and update tables at start; when off, the store never runs DDL, and a schema that is behind is an error',
  },
  poolSize: {
    default: undefined, shown: String(DEFAULT_POOL_SIZE), from: 'config', empty: true,
    check: optional((name, value) => integer(name, value, 1)),
    summary: 'maximum number of connections',
  },
  prepare: {
    default: true, from: 'config',
    check: flag,
    summary: 'named prepared statements; turn it off behind a pooler in transaction mode',
  },
  batching: {
    default: true, from: 'config',
    check: flag,
    summary: 'concurrent calls share statements; results, errors and order are the same',
  },
  durability: {
    default: 'full', from: 'config', refusesNull: true,
    check: durability,
    summary: '`\'relaxed\'`: calls don\'t wait until their commit is on disk; a crash of the server may lose the most recent ones',
  },
  connectTimeout: {
    default: 30_000, from: 'config',
    check: (name, value) => milliseconds(name, value),
    summary: 'how long calls wait for a database that is not available, in ms',
  },
  queryTimeout: {
    default: 0, from: 'config',
    check: (name, value) => milliseconds(name, value),
    summary: 'the maximum time for the response to one statement, in ms; `0`: no limit',
  },
  serverless: {
    default: false, from: 'config', empty: true,
    check: flag,
    summary: 'one connection, released before each response: for functions that are frozen between requests',
    moduleDefault: 'by preset',
  },
  maxStreamTables: {
    default: 100, from: 'config',
    check: (name, value) => integer(name, value, 0),
    summary: 'maximum number of tables for subject types',
  },
  sweepInterval: {
    default: 60_000, from: 'config',
    check: (name, value) => milliseconds(name, value),
    summary: 'how often expired keys are removed, in ms; `0`: never (an expired key is absent at once in any case)',
  },
  retention: {
    default: [], from: 'config',
    check: (_, value) => readRules(value),
    summary: 'which events are removed when: `[{ subject: \'orders:*\', maxAge: \'30d\', action: \'drop\' }]`',
  },
  deadLetterMaxAge: {
    default: 0, from: 'config',
    check: (name, value) => value === 0 ? 0 : checkAge(name, value),
    summary: 'when dead letters that nothing waits behind are removed: ms, or a string like `\'30d\'`; `0`: never',
  },
  retentionInterval: {
    default: 3_600_000, from: 'config',
    check: (name, value) => milliseconds(name, value),
    summary: 'how often `retention` runs, in ms; `0`: only on request',
  },
  slowCallMs: {
    default: 0, from: 'config',
    check: (name, value) => milliseconds(name, value),
    summary: 'log calls that take longer, in ms; `0`: none',
  },
  pollInterval: {
    default: 250, from: 'config',
    check: (name, value) => milliseconds(name, value, 1),
    summary: 'how often subscriptions poll for events of other processes, in ms',
  },
  notify: {
    default: true, from: 'config',
    check: flag,
    summary: 'notify subscriptions of other processes at once (LISTEN/NOTIFY, one more connection)',
  },
  logger: {
    default: console, shown: 'console', from: 'code',
    check: (name, value: Logger | undefined) => methods(name, value!, ['info', 'warn', 'error']),
    summary: 'where to log',
  },
} satisfies { [Name in keyof StoreOptions]-?: Option<Exclude<StoreOptions[Name], undefined>> }

function anotherConnection(name: string, value: unknown, options: StoreOptions) {
  const other = connection(name, value)
  requireOneDatabase(name, other, options.connection)
  return other
}
