import { readdir } from 'node:fs/promises'
import type { ConsolaInstance } from 'consola'
import { defu } from 'defu'
import { mergeRuntimeConfig, toRuntimeConfig } from '../options/runtimeConfig'
import type { ModuleOptions } from '../options/runtimeConfig'
import type { NventConfig, StoreRuntimeConfig } from '../runtime/server/config'
import { messageOf } from '../runtime/core/shared/errors'
import { isPlain } from '../runtime/server/references'

export interface AppConfig {
  /** The file, for the log. */
  file: string
  config: StoreRuntimeConfig
  nvent: NventConfig
}

type RawConfig = Record<string, unknown> & { modules?: unknown[], runtimeConfig?: Record<string, unknown> }

const FILES = /^(nuxt|nitro)\.config\.(?:[cm]?[jt]s|json5?|jsonc|ya?ml|toml)$/

/** The config of the store in nuxt.config or nitro.config of a directory; undefined when there is no readable file. */
export async function loadAppConfig(directory: string, log: ConsolaInstance): Promise<AppConfig | undefined> {
  const files = (await readdir(directory)).filter(name => FILES.test(name)).sort().reverse()
  const [file] = files
  if (file === undefined) return undefined
  try {
    return fromRaw(file, directory, await load(directory, FILES.exec(file)![1]!), log)
  }
  catch (error) {
    log.warn(`${file} could not be read, so only flags and environment variables are used: ${messageOf(error)}`)
    return undefined
  }
}

async function load(directory: string, name: string): Promise<RawConfig> {
  // Imported on demand: a built app has no config, and may lack the package.
  const { loadConfig } = await import('c12')
  // The frameworks provide these functions as globals.
  const known = globalThis as Record<string, unknown>
  const asGiven = (config: unknown) => config
  known.defineNuxtConfig ??= asGiven
  known.defineNitroConfig ??= asGiven
  const { config } = await loadConfig<RawConfig>({
    cwd: directory, name, configFile: `${name}.config`, rcFile: false, globalRc: false, dotenv: true,
    extend: { extendKey: ['theme', '_extends', 'extends'] },
  })
  return config ?? {}
}

function fromRaw(file: string, rootDir: string, raw: RawConfig, log: ConsolaInstance): AppConfig {
  const nvent: NventConfig = defu(optionsOf(raw, 'nvent', 'nvent'), asObject(raw.runtimeConfig?.nvent))
  const options: ModuleOptions = optionsOf(raw, 'nvent-store-postgres', 'nventStorePostgres')
  const made = toRuntimeConfig(options, { dev: false, baked: false, rootDir, env: process.env, nvent, warn: message => log.warn(message) })
  return { file, nvent, config: mergeRuntimeConfig(raw.runtimeConfig?.nventStorePostgres, made, process.env) }
}

/** Options of a module: inline in `modules`, or under its own key. */
function optionsOf(raw: RawConfig, module: string, key: string): Record<string, unknown> {
  const inline = raw.modules?.find((entry): entry is [string, unknown] => Array.isArray(entry) && entry[0] === module)?.[1]
  return defu(asObject(inline), asObject(raw[key]))
}

const asObject = (value: unknown): Record<string, unknown> => isPlain(value) ? value : {}
