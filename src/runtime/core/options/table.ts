import { connection, requireOneDatabase } from '../db/connection/connectionChecks'
import { readRules } from '../jobs/retention/rules'
import { DEFAULT_NAMES } from '../shared/identifier'
import { flag, identifier, integer, milliseconds, nonEmpty, tablePrefix } from '../shared/optionChecks'
import { durability, methods, optional } from './storeOptionChecks'
import type { StoreOptions } from './types'

/** Everything there is to know about one option; whatever else lists options is derived from it, or checked against it. */
export interface Option<Value> {
  /** Undefined: none. A function gets the other options: those above this one are resolved, those below as given. */
  default: Value | undefined | ((options: StoreOptions) => Value | undefined)
  /**
   * Gets the default where nothing was given.
   * @throws {StoreError} INVALID_OPTION that names the option
   */
  check(name: string, value: unknown, options: StoreOptions): unknown
  /**
   * `'config'`: in nuxt.config or nitro.config, and at run time by a variable. `'nvent'`: follows nvent's options, and a
   * variable. `'code'`: given to `createStore` only.
   */
  from: 'config' | 'nvent' | 'code'
  /** What needs care in runtime config: names stay as written in the environment, connections may hold secrets. */
  kind?: 'name' | 'connection'
  /** Empty in runtime config where it is not given: the app decides when it starts. */
  empty?: true
  /** The default as `@default` says it, where it is no constant. */
  shown?: string
  /** One line for the README. */
  summary: string
  /** The default as the README says it, where it is another one for the modules. */
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
    summary: 'a pool of the caller\'s own, used instead of `connection`',
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
    default: undefined, shown: '10', from: 'config', empty: true,
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
    default: 'full', from: 'config',
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
    check: (name, value: StoreOptions['logger']) => methods(name, value!, ['info', 'warn', 'error']),
    summary: 'where to log',
  },
} satisfies { [Name in keyof StoreOptions]-?: Option<Exclude<StoreOptions[Name], undefined>> }

function anotherConnection(name: string, value: unknown, options: StoreOptions) {
  const other = connection(name, value)
  requireOneDatabase(name, other, options.connection)
  return other
}
