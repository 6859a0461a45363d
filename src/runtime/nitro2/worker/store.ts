import type { H3Event } from 'h3'
import { useEvent, useRuntimeConfig } from 'nitropack/runtime'
import type { NventConfig, StoreRuntimeConfig } from '../../server/config'
import { createStore } from '../../core'
import type { Store } from '../../core'
import { failingStore } from '../../server/failing'
import { logger } from '../../server/announce'
import { storeSettings } from '../../server/settings'

const stores = new WeakMap<H3Event, Store>()

/**
 * The store of this request: a worker can't use a connection that another request has opened. It is closed before the
 * response is sent.
 */
export function useStore(): Store {
  const event = useEvent()
  let store = stores.get(event)
  if (!store) stores.set(event, store = makeStore(event))
  return store
}

/** Closes the store of a request, if it has one. */
export async function closeStore(event: H3Event | undefined): Promise<void> {
  if (event) await stores.get(event)?.close()
}

function makeStore(event: H3Event): Store {
  try {
    const { nventStorePostgres, nvent } = useRuntimeConfig(event) as unknown as { nventStorePostgres: StoreRuntimeConfig, nvent?: NventConfig }
    const { options } = storeSettings(nventStorePostgres, process.env, nvent)
    // A request is too short for background jobs. A worker may open few connections, and its timers can't be unref'd.
    return createStore({
      ...options, poolSize: options.poolSize ?? 1, serverless: false, sweepInterval: 0, retentionInterval: 0, notify: false, logger,
    })
  }
  catch (error) {
    return failingStore(error)
  }
}
