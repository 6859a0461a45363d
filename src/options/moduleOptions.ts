import type { PoolConfig } from 'pg'
import { namesWith } from '../runtime/core/options/resolve'
import type { NamesWith, OptionName } from '../runtime/core/options/resolve'
import type { Option } from '../runtime/core/options/table'
import type { StoreOptions } from '../runtime/core/options/types'
import { invalidOption } from '../runtime/core/shared/errors'
import type { StoreRuntimeConfig } from '../runtime/server/config'

/**
 * Options of the module: `nventStorePostgres` in nuxt.config or nitro.config. All of them have defaults. At run time
 * `NUXT_NVENT_STORE_POSTGRES_POOL_SIZE` and the like override all but `health` and `metrics`. The options of the store
 * that are repeated here have another default in an app.
 */
export interface ModuleOptions extends Pick<StoreOptions, NamesWith<{ from: 'config' }>> {
  /**
   * The database: a `pg` pool configuration, or a URL (`postgres://…`, `pglite://path/to/directory`,
   * `pglite://memory`). Higher in precedence are `NUXT_NVENT_STORE_POSTGRES_CONNECTION` at run time,
   * `nvent.store.connection` and `nvent.connections.postgres`; lower are `DATABASE_URL` and `POSTGRES_URL` at run
   * time. One source wins whole. Secrets that come from the environment are read at run time and stay out of the
   * build, also when they are written here as `process.env.NAME`.
   * @default the embedded database in `.data/nvent-store` in development, none in production
   */
  connection?: string | PoolConfig
  /**
   * First part of every table name: `{prefix}_kv`.
   * @default nvent.store.prefix, or 'nvent'
   */
  prefix?: string
  /**
   * For functions that run one request at a time and stand still after it: one connection, let go before each
   * response is sent.
   * @default true when the app is built for Vercel, Netlify, AWS Lambda, Azure or Firebase functions
   */
  serverless?: boolean
  /**
   * A route that answers how the store is, as JSON, with 200 or 503: `'/_store/health'`. Open to whoever reaches it.
   * @default none
   */
  health?: string
  /**
   * A route that answers with the metrics in the text format of Prometheus: `'/_store/metrics'`. Open to whoever
   * reaches it.
   * @default none
   */
  metrics?: string
}

/** The options that the store does not have: fixed when the app is built. */
export const ROUTE_OPTIONS = {
  health: {
    default: '', shown: 'none', from: 'config',
    check: route,
    summary: 'path of the route for health (JSON)',
    moduleDefault: 'none',
  },
  metrics: {
    default: '', shown: 'none', from: 'config',
    check: route,
    summary: 'path of the route for metrics (Prometheus)',
    moduleDefault: 'none',
  },
} satisfies { [Name in Exclude<keyof ModuleOptions, OptionName>]-?: Option<string> }

export const ROUTE_NAMES = Object.keys(ROUTE_OPTIONS) as (keyof typeof ROUTE_OPTIONS)[]

export const MODULE_OPTION_NAMES = [...namesWith({ from: 'config' }), ...ROUTE_NAMES]

function route(option: string, value: unknown): string {
  if (typeof value !== 'string') throw invalidOption(option, `must be a string, not ${JSON.stringify(value)}`)
  return value
}

/** Private runtime config of the module, overridable with `NUXT_NVENT_STORE_POSTGRES_*`. */
export interface ModuleRuntimeConfig {
  nventStorePostgres: StoreRuntimeConfig
}
