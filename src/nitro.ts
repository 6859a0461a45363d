import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Nitro, NitroModule } from 'nitropack/types'
import { WORKER_FOLDERS, findWorkers, workersModule } from './build/workerFiles'
import { mergeRuntimeConfig, toRuntimeConfig, withoutSecrets } from './options/runtimeConfig'
import type { ModuleOptions, ModuleRuntimeConfig } from './options/runtimeConfig'
import type { NventConfig, StoreRuntimeConfig } from './runtime/server/config'
import { refuseSecrets } from './options/secrets'
import { writtenConfig } from './options/written'
import type { WrittenConfig } from './options/written'

export type { ModuleOptions, ModuleRuntimeConfig } from './options/runtimeConfig'

declare module 'nitropack/types' {
  interface NitroConfig {
    /** Options of nvent-store-postgres. */
    nventStorePostgres?: ModuleOptions
  }
  interface NitroOptions {
    nventStorePostgres?: ModuleOptions
  }
}
declare module 'nitropack' {
  interface NitroRuntimeConfig extends ModuleRuntimeConfig {
    nvent?: NventConfig
  }
  interface NitroRuntimeHooks {
    /** nvent collects its adapters. */
    'nvent:register-adapters': () => void | Promise<void>
  }
}

// Platforms that freeze the process between requests.
const FUNCTIONS = /^(?:vercel|netlify|netlify-legacy|aws-lambda|aws-amplify|azure-functions|azure-swa|firebase|stormkit|edgio|genezio)$/

// The keys of nitro.config that may contain a connection.
const CONFIG_KEYS = ['nventStorePostgres', 'runtimeConfig']

const EMBEDDED = '@electric-sql/pglite'

const runtime = join(dirname(fileURLToPath(import.meta.url)), 'runtime')

/** The Nitro module: `modules: ['nvent-store-postgres/nitro']`, with its options under `nventStorePostgres`. */
const nitroModule: NitroModule & { name: string } = {
  name: 'nvent-store-postgres',
  setup(nitro) {
    const major = nitro.meta?.majorVersion ?? 2
    if (major !== 2) throw new Error(`nvent-store-postgres works with Nitro 2 (nitropack 2.12 or newer); this is Nitro ${major}, which is not supported yet`)
    addRuntimeConfig(nitro)
    addServerCode(nitro, join(runtime, `nitro${major}`, isWorker(nitro) ? 'worker' : ''))
    addOperation(nitro, join(runtime, `nitro${major}`))
    addWorkers(nitro)
    leaveOutOptional(nitro)
    typeConfig(nitro)
  },
}

export default nitroModule

/** Cloudflare and similar platforms: no Node, no file system, and no connection that outlives its request. */
const isWorker = ({ options }: Nitro): boolean => options.node === false

function addRuntimeConfig(nitro: Nitro): void {
  const { options } = nitro
  // In a Nuxt app, the Nuxt module has read the config files.
  const written = options.framework.name === 'nuxt' ? undefined : writtenFor(options)
  const made = toRuntimeConfig(options.nventStorePostgres ?? {}, {
    dev: options.dev,
    baked: false,
    written,
    rootDir: options.rootDir,
    env: process.env,
    nvent: options.runtimeConfig.nvent,
    warn: message => nitro.logger.warn(message),
  })
  const add = () => {
    // The values of the Nuxt module have precedence: it has read nuxt.config.
    const config: Record<string, unknown> = options.runtimeConfig
    const merged = mergeRuntimeConfig(config.nventStorePostgres, made, process.env, written)
    if (merged.serverless === '') merged.serverless = FUNCTIONS.test(options.preset)
    config.nventStorePostgres = merged
  }
  add()
  // The development server reloads the config file, which drops what modules have added.
  nitro.hooks.hook('rollup:before', () => {
    add()
    if (!options.dev) keepSecretsOut(nitro)
  })
}

/** Keeps secrets of the environment out of the build: in our own config, and in nvent's copy of it. */
function keepSecretsOut({ options }: Nitro): void {
  const config = options.runtimeConfig as unknown as ModuleRuntimeConfig & { nvent?: NventConfig }
  config.nvent = withoutSecrets(config.nvent, process.env)
  // The Nuxt module has checked, with the literals of nuxt.config.
  if (options.framework.name === 'nuxt') return
  const written = writtenFor(options)
  const { sources, ...others } = config.nventStorePostgres
  for (const { name, connection } of sources) refuseSecrets(connection, name, process.env, written)
  refuseSecrets(others, 'nventStorePostgres', process.env, written)
}

function writtenFor({ _c12 }: Nitro['options']): WrittenConfig {
  const { configFile, layers = [] } = _c12 ?? {}
  const ofFiles = layers.filter(layer => /config/.test(layer.configFile ?? ''))
  return writtenConfig([configFile, ...ofFiles.map(layer => layer.configFile)], ofFiles.map(layer => layer.config), CONFIG_KEYS)
}

function addServerCode(nitro: Nitro, glue: string): void {
  const { options } = nitro
  // Before all other plugins: nvent's plugin calls the hook that ours listens to.
  options.plugins.unshift(join(glue, 'plugin'))
  if (options.imports) {
    (options.imports.imports ??= []).push({ name: 'useStore', from: join(glue, 'store') })
    // Not in a worker: its response is not a Node stream, and its store lives for one request.
    if (!isWorker(nitro)) {
      const workers = ['useConsumer', 'useProjection'].map(name => ({ name, from: join(glue, 'workers') }))
      options.imports.imports.push({ name: 'sendEvents', from: join(glue, 'events') }, ...workers)
    }
    const definers = { defineConsumer: 'consumers/define', defineRelay: 'relay/defineRelay', defineProjection: 'projections/defineProjection' }
    options.imports.imports.push(...Object.entries(definers).map(([name, file]) => ({ name, from: join(runtime, 'core', file) })))
  }
  // The store of a worker finds its request by the async context.
  if (isWorker(nitro)) options.experimental.asyncContext = true
  options.externals = { ...options.externals, inline: [...options.externals?.inline ?? [], runtime] }
  options.virtual['#nvent-server-imports'] = async () => {
    const imports = await nitro.unimport?.getImports() ?? []
    const register = imports.find(({ name, as }) => (as ?? name) === 'registerStoreAdapter')
    return register
      ? `export { ${register.name} as registerStoreAdapter } from ${JSON.stringify(register.from)}`
      : 'export const registerStoreAdapter = undefined'
  }
}

/** Adds the consumers and projections in their folders beside `api` and `routes`. */
function addWorkers(nitro: Nitro): void {
  const { options } = nitro
  const before = options.dev ? [join(runtime, 'server/loading')] : []
  options.moduleSideEffects.push(...before)
  options.virtual['#nvent-workers'] = async () => {
    const [consumers, projections] = await Promise.all([findWorkers(options.scanDirs, 'consumers'), findWorkers(options.scanDirs, 'projections')])
    return workersModule({ consumers, projections }, options.rootDir, before)
  }
  // The development server watches the files that are imported; a file that is added or removed changes the folder.
  nitro.hooks.hook('rollup:before', (_, config) => {
    const folders = options.scanDirs.flatMap(directory => WORKER_FOLDERS.map(folder => join(directory, folder)))
    const watch = { name: 'nvent-store-workers', buildStart(this: { addWatchFile(path: string): void }) {
      folders.forEach(folder => this.addWatchFile(folder))
    } }
    config.plugins = [config.plugins, watch]
  })
}

/** Adds the tasks, which run only in apps that enable tasks, and the configured routes. */
function addOperation({ options }: Nitro, glue: string): void {
  options.tasks['nvent-store:retention'] ??= {
    handler: join(glue, 'tasks/retention'), description: 'Remove the events that exceed the retention rules',
  }
  options.tasks['nvent-store:consumers'] ??= {
    handler: join(glue, 'tasks/consumers'), description: 'Handle the events that wait for consumers and projections',
  }
  const { health, metrics } = options.runtimeConfig.nventStorePostgres as StoreRuntimeConfig
  for (const [name, route] of Object.entries({ health, metrics })) {
    if (route) options.handlers.push({ route: route.startsWith('/') ? route : `/${route}`, method: 'get', lazy: true, handler: join(glue, `routes/${name}`) })
  }
}

/** Adds the types of `nventStorePostgres` in `nitro.config`, also where the module is given as a string, without an import. */
function typeConfig(nitro: Nitro): void {
  const declarations = fileURLToPath(import.meta.url).replace(/\.mjs$/, '.d.mts')
  nitro.hooks.hook('types:extend', ({ tsConfig }) => {
    if (!tsConfig) return
    const config = tsConfig as { files?: string[] }
    // In `files`, as a project's own `include` replaces the generated one.
    config.files = [...config.files ?? [], declarations]
  })
}

/** Leaves out what a build can't use: a worker has no file system, and that of a function is temporary. */
function leaveOutOptional(nitro: Nitro): void {
  const { options } = nitro
  if (isWorker(nitro)) {
    for (const name of ['pg-native', EMBEDDED]) options.alias[name] = join(runtime, 'server/absent')
  }
  else if (FUNCTIONS.test(options.preset) || !isInstalled(nitro, EMBEDDED)) leaveOut(nitro, EMBEDDED)
}

function isInstalled(nitro: Nitro, name: string): boolean {
  return [import.meta.url, join(nitro.options.rootDir, 'package.json')].some((from) => {
    try {
      return createRequire(from).resolve(name) !== ''
    }
    catch {
      return false
    }
  })
}

/** Marks a package as external, so that the bundler does not warn of it: the store reports it when it is needed. */
function leaveOut(nitro: Nitro, name: string): void {
  nitro.hooks.hook('rollup:before', (_, config) => {
    if (Array.isArray(config.external)) config.external.push(name)
  })
}
