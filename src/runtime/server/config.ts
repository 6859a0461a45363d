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

/** The options of the store that stand in runtime config, where variables override them. */
export type ConfigName = NamesWith<{ from: 'config' | 'nvent' }>

export const CONFIG_NAMES = OPTION_NAMES.filter(name => optionOf(name).from !== 'code') as ConfigName[]

export const CONNECTION_NAMES = namesWith({ kind: 'connection' })

/** Those that need not be given, because they lead where the store's own connection does. */
export const OTHER_CONNECTION_NAMES = CONNECTION_NAMES.filter(name => name !== 'connection')

type ConfiguredOptions = {
  [Name in ConfigName]: Exclude<StoreOptions[Name], undefined> | (Name extends NamesWith<{ empty: true }> ? '' : never)
}

/**
 * What travels from the build to the server, in private runtime config. An empty string means "not given": Nitro
 * overrides only keys that are there. `connection` stays empty in the build; `NUXT_NVENT_STORE_POSTGRES_CONNECTION`
 * fills it at run time.
 */
export interface StoreRuntimeConfig extends ConfiguredOptions {
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
