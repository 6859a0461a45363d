import type { ClientConfig, PoolConfig } from 'pg'

/** Maximum number of connections, where neither an option nor the configuration gives one. */
export const DEFAULT_POOL_SIZE = 10

/** A copy with non-enumerable members: `pg` hides the password that way, and spreading would lose it. */
export function copyOf<Config extends ClientConfig>(config: Config): Config {
  return Object.fromEntries(Object.getOwnPropertyNames(config).map(name => [name, config[name as keyof Config]])) as unknown as Config
}

const OPTIONS_IN_URL = /([?&]options=[^&#]*)/g

/**
 * A configuration that sends settings as start-up options. A `set` statement would stay on a pooler's server connection
 * and affect other clients. Existing options are kept.
 */
export function startingWith(config: PoolConfig, settings: string): PoolConfig {
  const { connectionString } = config
  // In `pg`, parameters of the URL have precedence over other members.
  return typeof connectionString === 'string' && connectionString.search(OPTIONS_IN_URL) >= 0
    ? { ...copyOf(config), connectionString: connectionString.replace(OPTIONS_IN_URL, (given: string) => given + encodeURIComponent(` ${settings}`)) }
    : { ...copyOf(config), options: [config.options ?? process.env.PGOPTIONS, settings].filter(Boolean).join(' ') }
}

export const RELAX = 'set synchronous_commit = off'
export const RESTORE = 'set synchronous_commit = on'

/** Connections whose commits do not wait for the disk. */
export const relaxed = (config: PoolConfig): PoolConfig => startingWith(config, '-c synchronous_commit=off')
