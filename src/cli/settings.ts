import type { PoolConfig } from 'pg'
import type { ConsolaInstance } from 'consola'
import { toRuntimeConfig } from '../options/runtimeConfig'
import { FALLBACKS, OVERRIDE, anotherConnection, checkedConnection, namedConnection } from '../runtime/server/connection'
import { OPTIONS } from '../runtime/core/options/table'
import type { RetentionRule } from '../runtime/core/jobs/retention/types'
import { StoreError } from '../runtime/core/shared/errors'
import type { Names } from '../runtime/core/shared/identifier'
import { namesOf } from '../runtime/core/shared/identifier'
import { optionsBesideConnections } from '../runtime/server/settings'
import { variable } from '../runtime/server/variables'
import { loadAppConfig } from './appConfig'
import type { AppConfig } from './appConfig'

/** Flags that every command has. */
export const targetFlags = {
  url: { type: 'string', description: 'Database URL: postgres://… or pglite://path', valueHint: 'url' },
  schema: { type: 'string', description: 'Database schema of the tables', valueHint: 'name' },
  prefix: { type: 'string', description: 'First part of every table name', valueHint: 'name' },
  config: { type: 'boolean', default: true, description: 'Read nuxt.config or nitro.config of this directory', negativeDescription: 'Flags and environment only' },
  json: { type: 'boolean', description: 'Print the result as JSON' },
} as const

export interface TargetArgs {
  url?: string
  schema?: string
  prefix?: string
  config: boolean
}

export interface Settings {
  names: Names
  subjectPrefix: string
  /** Another schema that may contain the tables of the published adapter. */
  adoptFrom?: string
  autoMigrate: boolean
  prepare: boolean
  /** The retention rules of the app. */
  retention: RetentionRule[]
  /** The database. A function, as not every command needs one and it throws when none is configured. */
  database(): Database
  /** The database for schema changes: `migrationConnection`, where the app has one. */
  migrationDatabase(): Database
}

interface Database {
  connection: string | PoolConfig
  source: string
}

/**
 * Determines the database and the tables by the same rules as the app: flags, then the override variables, then
 * nuxt.config or nitro.config, then DATABASE_URL and POSTGRES_URL.
 * @throws {StoreError} INVALID_OPTION for an invalid schema or prefix
 */
export async function readSettings(args: TargetArgs, log: ConsolaInstance, directory = process.cwd()): Promise<Settings> {
  const app = args.config ? await loadAppConfig(directory, log) : undefined
  // After loading the config, which also loads `.env`.
  const { env } = process
  const config = app?.config ?? toRuntimeConfig({}, { dev: false, baked: false, rootDir: directory, env, warn: message => log.warn(message) })
  const given = optionsBesideConnections(config, env)
  const flag = (name: 'autoMigrate' | 'prepare') => ({ true: true, false: false })[variable(name, env) ?? ''] ?? config[name]
  const prefix = OPTIONS.prefix.check('prefix', args.prefix ?? given.prefix)
  return {
    names: namesOf(OPTIONS.schema.check('schema', args.schema ?? given.schema), prefix),
    subjectPrefix: given.subjectPrefix ?? prefix,
    adoptFrom: given.adoptFrom,
    autoMigrate: flag('autoMigrate'),
    prepare: flag('prepare'),
    retention: config.retention,
    database: () => databaseOf(args, app, log),
    migrationDatabase: () => {
      const connection = anotherConnection('migrationConnection', variable('migrationConnection', env) ?? config.migrationConnection, env)
      return args.url === undefined && connection !== undefined ? { connection, source: 'migrationConnection' } : databaseOf(args, app, log)
    },
  }
}

function databaseOf({ url }: TargetArgs, app: AppConfig | undefined, log: ConsolaInstance): Database {
  if (url !== undefined) return { connection: checkedConnection('--url', url), source: '--url' }
  const nvent = { ...app?.nvent, store: { ...app?.nvent.store, adapter: app?.nvent.store?.adapter || app?.config.adapter } }
  const chosen = namedConnection({ env: process.env, override: app?.config.connection, sources: app?.config.sources, nvent })
  if (!chosen) {
    const looked = app ? `, and ${app.file} has none` : ''
    throw new StoreError('INVALID_OPTION', `no database is configured: give --url, or set ${[OVERRIDE, ...FALLBACKS].join(', ')}${looked}. For the embedded database of development, pass --url pglite://.data/nvent-store`)
  }
  chosen.warnings.forEach(warning => log.warn(warning))
  return { connection: chosen.connection, source: chosen.source }
}

/** For messages: `db.example.com:5432/app (from DATABASE_URL), schema public, prefix nvent`. */
export function describeTarget(database: string, source: string, { schema, prefix }: Names): string {
  return `${database} (from ${source}), schema ${schema}, prefix ${prefix}`
}
