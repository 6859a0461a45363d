import { useRuntimeConfig } from 'nitropack/runtime'
import type { NventConfig, StoreRuntimeConfig } from '../server/config'

interface AppConfig {
  nventStorePostgres: StoreRuntimeConfig
  nvent?: NventConfig
}

// Nuxt types the runtime config by the values of one build; ours is wider.
export const appConfig = () => useRuntimeConfig() as unknown as AppConfig
