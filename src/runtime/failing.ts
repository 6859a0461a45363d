import type { Store } from './core/types/index'

/**
 * Stands in for a store that can't be made: whoever gets it can go on starting, every call rejects with the reason.
 */
export function failingStore(reason: unknown): Store {
  const refuse = () => Promise.reject(reason)
  // Without a `then`: a proxy that has every member would be taken for a promise.
  const surface = new Proxy({}, { get: (_, name) => name === 'then' ? undefined : refuse })
  const members: Record<string | symbol, unknown> = {
    stream: surface, index: surface, kv: surface, releaseIdle: async () => {}, close: async () => {}, then: undefined,
  }
  return new Proxy({}, { get: (_, name) => name in members ? members[name] : refuse }) as Store
}
