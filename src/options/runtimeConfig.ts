import { join } from 'node:path'
import { MODULE_OPTION_NAMES, APP_OPTION_NAMES, APP_OPTIONS } from './moduleOptions'
import type { ModuleOptions } from './moduleOptions'
import { CONFIG_NAMES, CONNECTION_NAMES, OTHER_CONNECTION_NAMES } from '../runtime/server/config'
import type { ConfigName, ConfiguredSource, NventConfig, StoreRuntimeConfig } from '../runtime/server/config'
import { isGiven, isInvented, isOtherAdapter } from '../runtime/server/connection'
import { pgliteUrl } from '../runtime/core/db/connection/pgliteUrl'
import { invalidOption } from '../runtime/core/shared/errors'
import { connectionFault } from '../runtime/core/db/connection/connectionChecks'
import { refuseUnknown } from '../runtime/core/shared/optionChecks'
import { optionOf, resolveOptions } from '../runtime/core/options/resolve'
import { dropReferences, isPlain, isReference, keepReferences } from '../runtime/server/references'
import type { Env } from '../runtime/server/references'
import { optionsBesideConnections } from '../runtime/server/settings'
import { refuseSecrets } from './secrets'
import type { WrittenConfig } from './written'

export type { ModuleOptions, ModuleRuntimeConfig } from './moduleOptions'

// nvent's default schema, in which its published adapter creates its tables.
const NVENT_SCHEMA = 'nvent_store'

/** The context of a build, in addition to the options. */
export interface BuildContext {
  dev: boolean
  rootDir: string
  env: Env
  /** nvent's options, when the app uses nvent. */
  nvent?: NventConfig
  warn: (message: string) => void
  /**
   * Whether the result becomes part of a build, and so must not contain secrets.
   * @default !dev
   */
  baked?: boolean
  /** What the config files contain literally. */
  written?: WrittenConfig
}

/**
 * Converts the options of nuxt.config or nitro.config into private runtime config without secrets of the environment.
 * @throws {StoreError} INVALID_OPTION when an option is invalid, or a secret could not be kept out
 */
export function toRuntimeConfig(options: ModuleOptions, build: BuildContext): StoreRuntimeConfig {
  const config = runtimeConfigOf(options, build)
  checkConfig(options, config)
  if (build.baked ?? !build.dev) {
    const { sources, ...others } = config
    for (const { name, connection } of sources) refuseSecrets(connection, name, build.env, build.written)
    refuseSecrets(others, 'nventStorePostgres', build.env, build.written)
  }
  return config
}

/** Checks the options as far as possible at build time. An empty prefix is left to the check at the start. */
function checkConfig(options: ModuleOptions, config: StoreRuntimeConfig): void {
  refuseUnknown(options, MODULE_OPTION_NAMES, 'nventStorePostgres.')
  for (const name of APP_OPTION_NAMES) APP_OPTIONS[name].check(`nventStorePostgres.${name}`, config[name])
  const { prefix, schema } = config
  resolveOptions({ ...optionsBesideConnections(config, {}), prefix: prefix === '' ? undefined : prefix, schema, connection: 'pglite://memory' })
  for (const name of CONNECTION_NAMES) {
    const given: unknown = options[name] ?? ''
    if (typeof given !== 'string' && typeof given !== 'function' && !isPlain(given)) throw invalidOption(`nventStorePostgres.${name}`, 'must be a URL or a pg pool configuration')
  }
  for (const { name, connection } of config.sources) checkConnection(name, connection)
  for (const name of OTHER_CONNECTION_NAMES) checkConnection(`nventStorePostgres.${name}`, config[name])
}

function checkConnection(name: string, connection: unknown): void {
  const fault = isGiven(connection) && !isReference(connection) ? connectionFault(dropReferences(connection)) : undefined
  if (fault) throw invalidOption(name + fault.path, fault.problem)
}

function runtimeConfigOf(options: ModuleOptions, build: BuildContext): StoreRuntimeConfig {
  const { store } = build.nvent ?? {}
  const followed: Partial<StoreRuntimeConfig> = { prefix: store?.prefix, subjectPrefix: store?.prefix, adoptFrom: store && (store.schema || NVENT_SCHEMA) }
  const given: Partial<StoreRuntimeConfig> = { ...options, connection: undefined }
  const valueOf = (name: ConfigName): unknown => {
    const { kind, empty, default: otherwise } = optionOf(name)
    const value = given[name] ?? followed[name] ?? (empty ? '' : otherwise)
    return kind === 'connection' ? keepReferences(portable(value, name, build.warn), build.env, build.written?.isWritten) : value
  }
  return {
    ...Object.fromEntries(CONFIG_NAMES.map(name => [name, valueOf(name)])) as Pick<StoreRuntimeConfig, ConfigName>,
    health: options.health ?? APP_OPTIONS.health.default,
    metrics: options.metrics ?? APP_OPTIONS.metrics.default,
    consumers: options.consumers ?? APP_OPTIONS.consumers.default,
    sources: sourcesOf(options, build),
    adapter: store?.adapter ?? '',
    embedded: build.dev ? pgliteUrl(join(build.rootDir, '.data/nvent-store')) : '',
  }
}

/** Merges the app's own `runtimeConfig.nventStorePostgres`, which has precedence; its secrets become references, too. */
export function mergeRuntimeConfig(own: unknown, made: StoreRuntimeConfig, env: Env, written?: WrittenConfig): StoreRuntimeConfig {
  const given: Partial<StoreRuntimeConfig> = isPlain(own) ? own : {}
  refuseUnknown(given, Object.keys(made), 'runtimeConfig.nventStorePostgres.')
  const merged: StoreRuntimeConfig = { ...made, ...given }
  for (const name of CONNECTION_NAMES) {
    const connection = keepReferences(given[name] || made[name], env, written?.isWritten)
    checkConnection(`runtimeConfig.nventStorePostgres.${name}`, connection)
    merged[name] = connection as StoreRuntimeConfig['connection']
  }
  return merged
}

function sourcesOf(options: ModuleOptions, { nvent = {}, env, warn, written }: BuildContext): ConfiguredSource[] {
  const configured: [name: string, connection: unknown][] = [
    ['nvent.store.connection', isOtherAdapter(nvent.store?.adapter) ? undefined : nvent.store?.connection],
    ['nvent.store.postgres', isOtherAdapter(nvent.store?.adapter) ? undefined : nvent.store?.postgres],
    ['nvent.connections.postgres', isInvented(nvent.connections?.postgres) ? undefined : nvent.connections?.postgres],
    ['nventStorePostgres.connection', options.connection],
  ]
  return configured.flatMap(([name, connection]) => {
    const kept = keepReferences(portable(connection, name, warn), env, written?.isWritten)
    return isGiven(kept) ? [{ name, connection: kept as ConfiguredSource['connection'] }] : []
  })
}

/** Removes secrets of the environment from nvent's copy of its options in runtime config, in connections that we use. */
export function withoutSecrets(nvent: NventConfig | undefined, env: Env): NventConfig | undefined {
  if (!nvent) return undefined
  const { store, connections } = nvent
  const cleaned = { ...nvent }
  if (store && !isOtherAdapter(store.adapter)) cleaned.store = { ...store, connection: blanked(store.connection, 'nvent.store.connection', env), postgres: blanked(store.postgres, 'nvent.store.postgres', env) }
  if (connections) cleaned.connections = { ...connections, postgres: blanked(connections.postgres, 'nvent.connections.postgres', env) }
  return cleaned
}

function blanked(connection: unknown, path: string, env: Env): unknown {
  const kept = keepReferences(connection, env)
  refuseSecrets(kept, path, env)
  return dropReferences(kept)
}

/** Makes a value JSON-safe for runtime config: buffers (certificates) become strings, functions are dropped with a warning. */
function portable(value: unknown, path: string, warn: BuildContext['warn']): unknown {
  if (typeof value === 'function') {
    warn(`\`${path}\` is a function, which can't be passed from the config to the server: it is ignored`)
    return undefined
  }
  if (value instanceof Uint8Array) return new TextDecoder().decode(value)
  if (Array.isArray(value)) return value.map((item, at) => portable(item, `${path}.${at}`, warn))
  if (!isPlain(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, portable(member, `${path}.${key}`, warn)]))
}
