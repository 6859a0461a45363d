import type { PoolConfig } from 'pg'
import { namesWith } from '../runtime/core/options/resolve'
import type { NamesWith, OptionName } from '../runtime/core/options/resolve'
import type { Option } from '../runtime/core/options/table'
import type { StoreOptions } from '../runtime/core/options/types'
import { invalidOption } from '../runtime/core/shared/errors'
import { flag } from '../runtime/core/shared/optionChecks'
import type { StoreRuntimeConfig } from '../runtime/server/config'

/**
 * Options of the module: `nventStorePostgres` in nuxt.config or nitro.config. All are optional. At run time,
 * environment variables such as `NUXT_NVENT_STORE_POSTGRES_POOL_SIZE` override all but `health` and `metrics`. The
 * options of the store that are repeated here have a different default in an app.
 */
export interface ModuleOptions extends Pick<StoreOptions, NamesWith<{ from: 'config' }>> {
  /**
   * The database: a `pg` pool configuration, or a URL (`postgres://…`, `pglite://path/to/directory`,
   * `pglite://memory`). Higher in precedence are `NUXT_NVENT_STORE_POSTGRES_CONNECTION` at run time,
   * `nvent.store.connection` and `nvent.connections.postgres`; lower are `DATABASE_URL` and `POSTGRES_URL` at run
   * time. Sources are never merged. Secrets that come from the environment are read at run time and stay out of the
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
   * For functions that are frozen between requests: one connection, which is closed before each response is sent.
   * @default true when the app is built for Vercel, Netlify, AWS Lambda, Azure or Firebase functions
   */
  serverless?: boolean
  /**
   * Path of a route that responds with the health of the store as JSON, with status 200 or 503: `'/_store/health'`. It
   * has no access control.
   * @default none
   */
  health?: string
  /**
   * Path of a route that responds with the metrics in the text format of Prometheus: `'/_store/metrics'`. It has no
   * access control.
   * @default none
   */
  metrics?: string
  /**
   * Whether this process starts what is in `server/consumers` and `server/projections`. Turn it off, most often by
   * `NUXT_NVENT_STORE_POSTGRES_CONSUMERS=false`, where processes that only answer requests and others that do the work
   * are made of one build. `useConsumer` and the task work in any case.
   * @default true
   */
  consumers?: boolean
}

/** The options that only the modules have. The paths of routes can't be changed after the build. */
export const APP_OPTIONS = {
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
  consumers: {
    default: true, from: 'config',
    check: flag,
    summary: 'start what is in `server/consumers` and `server/projections`; off: a process that only answers requests',
    moduleDefault: '`true`',
  },
} satisfies { [Name in Exclude<keyof ModuleOptions, OptionName>]-?: Option<string | boolean> }

export const APP_OPTION_NAMES = Object.keys(APP_OPTIONS) as (keyof typeof APP_OPTIONS)[]

export const MODULE_OPTION_NAMES = [...namesWith({ from: 'config' }), ...APP_OPTION_NAMES]

function route(option: string, value: unknown): string {
  if (typeof value !== 'string') throw invalidOption(option, `must be a string, not ${JSON.stringify(value)}`)
  return value
}

/** Private runtime config of the module, overridable with `NUXT_NVENT_STORE_POSTGRES_*`. */
export interface ModuleRuntimeConfig {
  nventStorePostgres: StoreRuntimeConfig
}
