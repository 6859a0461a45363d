import type { ClientConfig, PoolConfig } from 'pg'

/** A copy with its hidden members: `pg` hides a password by making it non-enumerable, and spreading would lose it. */
export function copyOf<Config extends ClientConfig>(config: Config): Config {
  return Object.fromEntries(Object.getOwnPropertyNames(config).map(name => [name, config[name as keyof Config]])) as unknown as Config
}

const OPTIONS_IN_URL = /([?&]options=[^&#]*)/g

/**
 * Settings asked for as a connection starts: a `set` would stay on a pooler's connection, for whoever gets it next.
 * Options that are there already go on to hold.
 */
export function startingWith(config: PoolConfig, settings: string): PoolConfig {
  const { connectionString } = config
  // What a URL says wins over what stands beside it.
  return typeof connectionString === 'string' && connectionString.search(OPTIONS_IN_URL) >= 0
    ? { ...copyOf(config), connectionString: connectionString.replace(OPTIONS_IN_URL, (given: string) => given + encodeURIComponent(` ${settings}`)) }
    : { ...copyOf(config), options: [config.options ?? process.env.PGOPTIONS, settings].filter(Boolean).join(' ') }
}

export const RELAX = 'set synchronous_commit = off'
export const RESTORE = 'set synchronous_commit = on'

/** Connections whose commits do not wait for the disk. */
export const relaxed = (config: PoolConfig): PoolConfig => startingWith(config, '-c synchronous_commit=off')
