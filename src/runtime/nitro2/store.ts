import type { NventConfig, StoreRuntimeConfig } from '../server/config'
import { useRuntimeConfig } from 'nitropack/runtime'
import type { Store } from '../core/types'
import { currentHandle } from '../server/handle'
import type { Handle } from '../server/handle'
import { logger } from '../server/announce'
import { storeSettings } from '../server/settings'

/**
 * The store of the app. Returns synchronously; calls wait until it is connected and migrated, and reject with a
 * `StoreError` when that fails. When the configuration is invalid, all calls reject with INVALID_OPTION.
 * @example
 * const store = useStore()
 * await store.stream.append('orders:42', { type: 'order.placed', data: { total: 99 } })
 */
export function useStore(): Store {
  return appHandle().store
}

export function appHandle(): Handle {
  const { nventStorePostgres, nvent } = appConfig()
  return currentHandle(() => storeSettings(nventStorePostgres, process.env, nvent), logger)
}

interface AppConfig {
  nventStorePostgres: StoreRuntimeConfig
  nvent?: NventConfig
}

// Nuxt infers the type of the runtime config from the values of one build, which is too narrow.
export const appConfig = () => useRuntimeConfig() as unknown as AppConfig
