import { healthOfNothing } from '../core/admin/health'
import { createMetrics } from '../core/observability/metrics'
import type { Store } from '../core/types'

/**
 * Replaces a store that can't be created: the app can still start, and every call rejects with the reason.
 */
export function failingStore(reason: unknown): Store {
  const refuse = () => {
    const refused = Promise.reject(reason)
    // `iterate`, `readAll` and `subscribe` return iterables: iterating rejects with the reason, too.
    return Object.assign(refused, { [Symbol.asyncIterator]: () => ({ next: () => refused }) })
  }
  // Without `then`: a proxy that has every member would be treated as a promise.
  const api = new Proxy({}, { get: (_, name) => name === 'then' ? undefined : refuse })
  // `of` returns a typed view synchronously; its calls reject like all others.
  const stream = new Proxy({}, { get: (_, name) => name === 'of' ? () => api : Reflect.get(api, name) })
  const apis = { stream, index: api, kv: api, dedupe: api, rules: api }
  // Health and metrics have a result. No event is ever emitted, so listeners are accepted and ignored.
  const refusing = (known: Record<string | symbol, unknown>) => new Proxy({}, { get: (_, name) => name in known ? known[name] : refuse })
  const admin = refusing({
    health: async () => healthOfNothing(reason), metrics: createMetrics().snapshot, on: () => () => {}, retention: api, consumers: api, then: undefined,
  })
  // A consumer, a relay or a projection can be stopped, as nothing of it is under way.
  const consume = ({ name = 'outbox' }: { name?: string }) => refusing({ name, stop: async () => {}, pause() {}, resume() {}, then: undefined })
  const aggregate = ({ name }: { name: string }) => refusing({ name, with: () => api, then: undefined })
  const outbox = new Proxy({}, { get: (_, name) => name === 'relay' ? consume : Reflect.get(api, name) })
  const members: Record<string | symbol, unknown> = {
    ...apis, aggregate, session: () => api, deadLetters: api, leases: api, projections: api, outbox, consume, project: consume, with: () => ({ ...apis, outbox, query: refuse }), admin, releaseIdle: async () => {}, close: async () => {}, then: undefined,
  }
  return refusing(members) as Store
}
