import { constantOf, optionOf } from '../core/options/resolve'
import { flag } from '../core/shared/optionChecks'
import type { StoreOptions } from '../core/options/types'
import { CONFIG_NAMES, OTHER_CONNECTION_NAMES } from './config'
import type { ConfigName, NventConfig, StoreRuntimeConfig } from './config'
import { anotherConnection, chooseConnection, isOtherAdapter } from './connection'
import { refuseUnknownVariables, variable } from './variables'
import type { Env } from './references'

/** What the running server needs to create its store. */
export interface StoreSettings {
  options: StoreOptions
  /** Where the connection comes from, for the log. */
  source: string
  warnings: string[]
}

/**
 * Derives the options of the store from the runtime config and the environment of the running server.
 * @throws {StoreError} INVALID_OPTION when no database is configured, or a variable is unknown
 */
export function storeSettings(config: StoreRuntimeConfig, env: Env, nvent: NventConfig = {}): StoreSettings {
  refuseUnknownVariables(Object.keys(config), env)
  flag('consumers', config.consumers)
  const { connection, source, warnings } = chooseConnection({
    env,
    override: config.connection,
    sources: config.sources,
    nvent: { ...nvent, store: { ...nvent.store, adapter: adapterOf(config, nvent) } },
    embedded: config.embedded,
  })
  const others = Object.fromEntries(OTHER_CONNECTION_NAMES.map(name => [name, anotherConnection(name, config[name], env)]))
  return { options: { connection, ...others, ...optionsBesideConnections(config, env) }, source, warnings }
}

/** Whether nvent uses another adapter, so that the store connects only when the app uses it. */
export function worksElsewhere(config: StoreRuntimeConfig, nvent: NventConfig = {}): boolean {
  return isOtherAdapter(adapterOf(config, nvent))
}

function adapterOf(config: StoreRuntimeConfig, nvent: NventConfig): string {
  return nvent.store?.adapter || config.adapter
}

/** All options except connections, from the runtime config and the environment. */
export function optionsBesideConnections(config: StoreRuntimeConfig, env: Env): StoreOptions {
  const names = CONFIG_NAMES.filter(name => optionOf(name).kind !== 'connection')
  return Object.fromEntries(names.map(name => [name, configured(name, config, env)]))
}

function configured(name: ConfigName, config: StoreRuntimeConfig, env: Env): unknown {
  const option = optionOf(name)
  // Nitro parses variables as JSON where possible: a schema named 1e3 becomes the number 1000.
  const value = option.kind === 'name' ? variable(name, env) ?? String(config[name] ?? '') : config[name]
  return option.empty && value === '' ? constantOf(option) : value
}
