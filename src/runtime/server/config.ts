import { OPTION_NAMES, namesWith, optionOf } from '../core/options/resolve'
import type { NamesWith } from '../core/options/resolve'
import type { StoreOptions } from '../core/options/types'
import type { EnvReference } from './references'

/** A connection of nuxt.config or nitro.config, with references in place of secrets from the environment. */
export interface ConfiguredSource {
  /** The option it was written in: `nventStorePostgres.connection`. */
  name: string
  connection: string | EnvReference | Record<string, unknown>
}

/** The options of the store that are part of runtime config, where environment variables override them. */
export type ConfigName = NamesWith<{ from: 'config' | 'nvent' }>

export const CONFIG_NAMES = OPTION_NAMES.filter(name => optionOf(name).from !== 'code') as ConfigName[]

export const CONNECTION_NAMES = namesWith({ kind: 'connection' })

/** The connections that default to `connection`. */
export const OTHER_CONNECTION_NAMES = CONNECTION_NAMES.filter(name => name !== 'connection')

type ConfiguredOptions = {
  [Name in ConfigName]: Exclude<StoreOptions[Name], undefined> | (Name extends NamesWith<{ empty: true }> ? '' : never)
}

/**
 * The private runtime config of the store, passed from the build to the server. An empty string means "not given":
 * Nitro only overrides keys that exist. `connection` is empty in the build and set at run time by
 * `NUXT_NVENT_STORE_POSTGRES_CONNECTION`.
 */
export interface StoreRuntimeConfig extends ConfiguredOptions {
  /** Routes, fixed when the app is built; empty: none. */
  health: string
  metrics: string
  /** Whether the consumers of files are started. */
  consumers: boolean
  /** The connections in nuxt.config, highest precedence first. */
  sources: ConfiguredSource[]
  /** `nvent.store.adapter`; empty when it is not set. */
  adapter: string
  /** Development only: URL of the embedded database that is used when no connection is configured. */
  embedded: string
}

/** The parts of nvent's configuration that the store uses. */
export interface NventConfig {
  store?: { adapter?: string, prefix?: string, schema?: string, connection?: unknown, postgres?: unknown }
  connections?: { postgres?: unknown }
}
