import { join } from 'node:path'
import { MODULE_OPTION_NAMES, ROUTE_NAMES, ROUTE_OPTIONS } from './moduleOptions'
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

// nvent's default, where its published adapter makes its tables.
const NVENT_SCHEMA = 'nvent_store'

/** What the build knows beside the options. */
export interface BuildContext {
  dev: boolean
  rootDir: string
  env: Env
  /** nvent's options, when the app has it. */
  nvent?: NventConfig
  warn: (message: string) => void
  /**
   * Whether the result becomes part of a build.
   * @default !dev
   */
  baked?: boolean
  /** What stands in the config files as it is. */
  written?: WrittenConfig
}

/**
 * Turns what nuxt.config or nitro.config says into private runtime config, with no secret of the environment in it.
 * @throws {StoreError} INVALID_OPTION when a secret could not be kept out
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

/** What can be known of the options while the app is built. An empty prefix is refused at the start, by its own name. */
function checkConfig(options: ModuleOptions, config: StoreRuntimeConfig): void {
  refuseUnknown(options, MODULE_OPTION_NAMES, 'nventStorePostgres.')
  for (const name of ROUTE_NAMES) ROUTE_OPTIONS[name].check(`nventStorePostgres.${name}`, config[name])
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
    health: options.health ?? ROUTE_OPTIONS.health.default,
    metrics: options.metrics ?? ROUTE_OPTIONS.metrics.default,
    sources: sourcesOf(options, build),
    adapter: store?.adapter ?? '',
    embedded: build.dev ? pgliteUrl(join(build.rootDir, '.data/nvent-store')) : '',
  }
}

/** Lets the app's own `runtimeConfig.nventStorePostgres` win, with no secret of the environment in it either. */
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

/** nvent writes its options into the runtime config: of a connection that is ours, what stays in the environment is left out. */
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

/** Runtime config is JSON: certificates that were read as buffers become texts, functions can't travel. */
function portable(value: unknown, path: string, warn: BuildContext['warn']): unknown {
  if (typeof value === 'function') {
    warn(`\`${path}\` is a function and can't travel from the config into the server: it is ignored`)
    return undefined
  }
  if (value instanceof Uint8Array) return new TextDecoder().decode(value)
  if (Array.isArray(value)) return value.map((item, at) => portable(item, `${path}.${at}`, warn))
  if (!isPlain(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, portable(member, `${path}.${key}`, warn)]))
}
