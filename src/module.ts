import { addImports, createResolver, defineNuxtModule, useLogger } from '@nuxt/kit'
import { defu } from 'defu'
import { mergeRuntimeConfig, toRuntimeConfig } from './options/runtimeConfig'
import type { ModuleOptions } from './options/runtimeConfig'
import type { NventConfig } from './runtime/server/config'
import { refuseSecrets } from './options/secrets'
import { writtenConfig } from './options/written'

export type { ModuleOptions, ModuleRuntimeConfig } from './options/runtimeConfig'

// The keys of nuxt.config that may contain a connection.
const CONFIG_KEYS = ['nventStorePostgres', 'nvent', 'modules', 'runtimeConfig', 'nitro']

export default defineNuxtModule<ModuleOptions>({
  meta: {
    name: 'nvent-store-postgres',
    configKey: 'nventStorePostgres',
    compatibility: { nuxt: '>=4.0.0' },
  },
  setup(options, nuxt) {
    const config = nuxt.options
    const runtimeConfig: Record<string, unknown> = config.runtimeConfig
    const baked = !config.dev && !config._prepare
    const written = writtenConfig(
      [...config._nuxtConfigFiles, ...config._layers.map(layer => layer.configFile)], config._layers.map(layer => layer.config), CONFIG_KEYS,
    )
    const made = toRuntimeConfig(options, {
      dev: config.dev,
      baked,
      written,
      rootDir: config.rootDir,
      env: process.env,
      nvent: nventOptions(config),
      warn: message => useLogger('nvent-store-postgres').warn(message),
    })
    runtimeConfig.nventStorePostgres = mergeRuntimeConfig(runtimeConfig.nventStorePostgres, made, process.env, written)
    if (baked) refuseSecrets(runtimeConfig.nventStorePostgres, 'runtimeConfig.nventStorePostgres', process.env, written)
    const { resolve } = createResolver(import.meta.url)
    config.nitro.modules = [...config.nitro.modules ?? [], resolve('./nitro')]
    addImports({ name: 'useEventStream', from: resolve('./runtime/app/useEventStream') })
  },
})

/** nvent's options, under its own key or beside its name in `modules`. */
function nventOptions(config: { modules: unknown[], nvent?: NventConfig }): NventConfig {
  const inline = config.modules.find((entry): entry is [string, NventConfig] => Array.isArray(entry) && entry[0] === 'nvent')
  return defu(inline?.[1], config.nvent)
}
