import type { PoolConfig } from 'pg'
import type { Durability } from '../core/db/types'
import type { RetentionRule } from '../core/jobs/retention/types'
import type { EnvReference } from './references'

/** A connection of nuxt.config or nitro.config, with references in place of secrets from the environment. */
export interface ConfiguredSource {
  /** The option it was written in: `nventStorePostgres.connection`. */
  name: string
  connection: string | EnvReference | Record<string, unknown>
}

/**
 * What travels from the build to the server, in private runtime config. An empty text means "not given": Nitro
 * overrides only keys that are there.
 */
export interface StoreRuntimeConfig {
  /** Stays empty in the build; `NUXT_NVENT_STORE_POSTGRES_CONNECTION` fills it at run time. */
  connection: string | PoolConfig
  /** Empty: the same as the store's own; `NUXT_NVENT_STORE_POSTGRES_MIGRATION_CONNECTION` and `…_LISTEN_CONNECTION`. */
  migrationConnection: string | PoolConfig
  listenConnection: string | PoolConfig
  prefix: string
  /** Empty: the same as `prefix`. */
  subjectPrefix: string
  schema: string
  /** Where tables of nvent's published adapter may be; empty: in `schema`. */
  adoptFrom: string
  autoMigrate: boolean
  /** Empty: `connection.max`, or 10. */
  poolSize: number | ''
  prepare: boolean
  batching: boolean
  durability: Durability
  connectTimeout: number
  queryTimeout: number
  /** Empty: what the preset of the build is for. */
  serverless: boolean | ''
  maxStreamTables: number
  sweepInterval: number
  retention: RetentionRule[]
  retentionInterval: number
  slowCallMs: number
  pollInterval: number
  notify: boolean
  /** Routes, fixed when the app is built; empty: none. */
  health: string
  metrics: string
  /** What nuxt.config says about the connection, highest precedence first. */
  sources: ConfiguredSource[]
  /** `nvent.store.adapter`; empty when nvent names none. */
  adapter: string
  /** Development only: the embedded database used when nothing names a connection. */
  embedded: string
}

/** The parts of nvent's configuration the store follows. */
export interface NventConfig {
  store?: { adapter?: string, prefix?: string, schema?: string, connection?: unknown, postgres?: unknown }
  connections?: { postgres?: unknown }
}
