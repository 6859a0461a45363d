import { healthOfNothing } from '../core/admin/health'
import { createMetrics } from '../core/observability/metrics'
import type { Store } from '../core/types'

/**
 * Stands in for a store that can't be made: whoever gets it can go on starting, every call rejects with the reason.
 */
export function failingStore(reason: unknown): Store {
  const refuse = () => {
    const refused = Promise.reject(reason)
    // Whoever iterates over `iterate`, `readAll` or `subscribe` gets the reason, too.
    return Object.assign(refused, { [Symbol.asyncIterator]: () => ({ next: () => refused }) })
  }
  // Without a `then`: a proxy that has every member would be taken for a promise.
  const api = new Proxy({}, { get: (_, name) => name === 'then' ? undefined : refuse })
  // A typed view is made at once; its calls fail like all others.
  const stream = new Proxy({}, { get: (_, name) => name === 'of' ? () => api : Reflect.get(api, name) })
  const apis = { stream, index: api, kv: api }
  // What asks how the store is has an answer; nothing will ever happen that a listener could hear.
  const known: Record<string | symbol, unknown> = {
    health: async () => healthOfNothing(reason), metrics: createMetrics().snapshot, on: () => () => {}, retention: api, then: undefined,
  }
  const admin = new Proxy({}, { get: (_, name) => name in known ? known[name] : refuse })
  const members: Record<string | symbol, unknown> = {
    ...apis, with: () => ({ ...apis, query: refuse }), admin, releaseIdle: async () => {}, close: async () => {}, then: undefined,
  }
  return new Proxy({}, { get: (_, name) => name in members ? members[name] : refuse }) as Store
}
