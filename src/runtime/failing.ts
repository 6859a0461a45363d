import { healthOfNothing } from './core/admin/health'
import { createMetrics } from './core/admin/metrics'
import type { Store } from './core/types/index'

/**
 * Stands in for a store that can't be made: whoever gets it can go on starting, every call rejects with the reason.
 */
export function failingStore(reason: unknown): Store {
  const refuse = () => Promise.reject(reason)
  // Without a `then`: a proxy that has every member would be taken for a promise.
  const surface = new Proxy({}, { get: (_, name) => name === 'then' ? undefined : refuse })
  // What asks how the store is has an answer; nothing will ever happen that a listener could hear.
  const known: Record<string | symbol, unknown> = {
    health: async () => healthOfNothing(reason), metrics: createMetrics().snapshot, on: () => () => {}, retention: surface, then: undefined,
  }
  const admin = new Proxy({}, { get: (_, name) => name in known ? known[name] : refuse })
  const members: Record<string | symbol, unknown> = {
    stream: surface, index: surface, kv: surface, admin, close: async () => {}, then: undefined,
  }
  return new Proxy({}, { get: (_, name) => name in members ? members[name] : refuse }) as Store
}
