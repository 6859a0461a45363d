import type { PoolConfig } from 'pg'

export const RELAX = 'set synchronous_commit = off'

const RELAXED = '-c synchronous_commit=off'
const OPTIONS_IN_URL = /([?&]options=[^&#]*)/g

/**
 * Asked for as a connection starts: a `set` would stay on a pooler's connection, and relax the commits of whoever
 * gets it next. Options that are there already go on to hold.
 */
export function relaxed(config: PoolConfig): PoolConfig {
  const { connectionString } = config
  // What a URL says wins over what stands beside it.
  return typeof connectionString === 'string' && connectionString.search(OPTIONS_IN_URL) >= 0
    ? { ...config, connectionString: connectionString.replace(OPTIONS_IN_URL, (given: string) => given + encodeURIComponent(` ${RELAXED}`)) }
    : { ...config, options: [config.options ?? process.env.PGOPTIONS, RELAXED].filter(Boolean).join(' ') }
}
