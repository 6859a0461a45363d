import type { StoreOptions } from '../core/options'
import type { NventConfig, StoreRuntimeConfig } from './config'
import { anotherConnection, chooseConnection, isOtherAdapter } from './connection'
import { refuseUnknownVariables, variable } from './variables'
import type { Env } from './references'

/** What the running server needs to make its store. */
export interface StoreSettings {
  options: StoreOptions
  /** Where the connection comes from, for the log. */
  source: string
  warnings: string[]
}

/**
 * Turns the runtime config and the environment of the running server into the options of its store.
 * @throws {StoreError} INVALID_OPTION when no source names a database
 */
export function storeSettings(config: StoreRuntimeConfig, env: Env, nvent: NventConfig = {}): StoreSettings {
  refuseUnknownVariables(Object.keys(config), env)
  const { connection, source, warnings } = chooseConnection({
    env,
    override: config.connection,
    sources: config.sources,
    nvent: { ...nvent, store: { ...nvent.store, adapter: adapterOf(config, nvent) } },
    embedded: config.embedded,
  })
  const others = {
    migrationConnection: anotherConnection('migrationConnection', config.migrationConnection, env),
    listenConnection: anotherConnection('listenConnection', config.listenConnection, env),
  }
  return { options: { connection, ...others, ...tableOptions(config, env) }, source, warnings }
}

/** Whether nvent works on another store, so that nothing is to be connected until somebody calls `useStore()`. */
export function worksElsewhere(config: StoreRuntimeConfig, nvent: NventConfig = {}): boolean {
  return isOtherAdapter(adapterOf(config, nvent))
}

function adapterOf(config: StoreRuntimeConfig, nvent: NventConfig): string {
  return nvent.store?.adapter || config.adapter
}

export function tableOptions(config: StoreRuntimeConfig, env: Env): StoreOptions {
  // Nitro reads variables as JSON where it can: a schema called 1e3 arrives as the number 1000.
  const name = (option: string, value: unknown) => variable(option, env) ?? String(value)
  return {
    prefix: name('prefix', config.prefix),
    subjectPrefix: name('subjectPrefix', config.subjectPrefix) || undefined,
    schema: name('schema', config.schema),
    adoptFrom: name('adoptFrom', config.adoptFrom ?? '') || undefined,
    autoMigrate: config.autoMigrate,
    poolSize: config.poolSize === '' ? undefined : config.poolSize,
    prepare: config.prepare,
    batching: config.batching,
    durability: config.durability,
    connectTimeout: config.connectTimeout,
    queryTimeout: config.queryTimeout,
    serverless: config.serverless === '' ? false : config.serverless,
    maxStreamTables: config.maxStreamTables,
    sweepInterval: config.sweepInterval,
    retention: config.retention,
    retentionInterval: config.retentionInterval,
    slowCallMs: config.slowCallMs,
    pollInterval: config.pollInterval,
    notify: config.notify,
  }
}
