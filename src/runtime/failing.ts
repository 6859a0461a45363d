import type { Store } from './core/types/index'

/**
 * Stands in for a store that can't be made: whoever gets it can go on starting, every call rejects with the reason.
 */
export function failingStore(reason: unknown): Store {
  const refuse = () => Promise.reject(reason)
  // A generator refuses when it is asked for its first event.
  const iterate = async function* () {
    await refuse()
    yield undefined
  }
  // Without a `then`: a proxy that has every member would be taken for a promise.
  const surface = new Proxy({}, { get: (_, name) => name === 'then' ? undefined : name === 'iterate' ? iterate : refuse })
  const surfaces = { stream: surface, index: surface, kv: surface }
  const members: Record<string | symbol, unknown> = {
    ...surfaces, with: () => ({ ...surfaces, query: refuse }), close: async () => {}, then: undefined,
  }
  return new Proxy({}, { get: (_, name) => name in members ? members[name] : refuse }) as Store
}
