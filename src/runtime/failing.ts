import type { Store } from './core/types/index'

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
  const surface = new Proxy({}, { get: (_, name) => name === 'then' ? undefined : refuse })
  const surfaces = { stream: surface, index: surface, kv: surface }
  const members: Record<string | symbol, unknown> = {
    ...surfaces, with: () => ({ ...surfaces, query: refuse }), close: async () => {}, then: undefined,
  }
  return new Proxy({}, { get: (_, name) => name in members ? members[name] : refuse }) as Store
}
