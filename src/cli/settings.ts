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
  /** Another schema where tables of the published adapter may be. */
  adoptFrom?: string
  autoMigrate: boolean
  prepare: boolean
  /** The app's rules of which events go. */
  retention: RetentionRule[]
  /** The database: asked for only by commands that need one. */
  database(): Database
  /** The same for what changes the schema: `migrationConnection`, where the app has one. */
  migrationDatabase(): Database
}

interface Database {
  connection: string | PoolConfig
  source: string
}

/**
 * Which database and which tables are meant, by the rules the app itself follows: flags, then the override variables,
 * then nuxt.config or nitro.config, then DATABASE_URL and POSTGRES_URL.
 */
export async function readSettings(args: TargetArgs, log: ConsolaInstance, directory = process.cwd()): Promise<Settings> {
  const app = args.config ? await loadAppConfig(directory, log) : undefined
  // After the config was read: it brings in what stands in `.env`.
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
    const looked = app ? `, and ${app.file} names none either` : ''
    throw new StoreError('INVALID_OPTION', `no database is named: give --url, or set ${[OVERRIDE, ...FALLBACKS].join(', ')}${looked}. The embedded database of development is --url pglite://.data/nvent-store`)
  }
  chosen.warnings.forEach(warning => log.warn(warning))
  return { connection: chosen.connection, source: chosen.source }
}

/** For a person: `db.example.com:5432/app (from DATABASE_URL), schema public, prefix nvent`. */
export function describeTarget(database: string, source: string, { schema, prefix }: Names): string {
  return `${database} (from ${source}), schema ${schema}, prefix ${prefix}`
}
