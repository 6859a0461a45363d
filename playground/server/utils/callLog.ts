import type { H3Event } from 'h3'
import { isStoreError } from 'nvent-store-postgres/core'
import type { Store, Surfaces as StoreApis } from 'nvent-store-postgres/core'
import type { Call, CallGroup, Exhibit, Tier } from '~/types/desk'

const SESSIONS = 100
const READS = 10
const WRITES = 40

const sessions = new Map<string, CallGroup[]>()
const groups = new WeakMap<H3Event, CallGroup>()
let groupId = 0

/**
 * The same store, with every call of this request noted down for the pages to show, and a StoreError turned into an
 * answer a person can read. In an app of your own leave it away: `const store = useStore()`.
 */
export function logged(event: H3Event, store: Store): Store {
  return {
    ...noted(event, store),
    async ready() {
      return store.ready().catch((error: unknown) => {
        throw toProblem(error)
      })
    },
    releaseIdle: () => store.releaseIdle(),
    close: () => store.close(),
    with: client => store.with(client),
    consume: options => store.consume(options),
    deadLetters: note(event, 'deadLetters', store.deadLetters),
    leases: store.leases,
    aggregate: options => store.aggregate(options),
    session: () => store.session(),
    dedupe: store.dedupe,
    rules: store.rules,
    outbox: store.outbox,
    project: store.project,
    projections: store.projections,
    admin: { ...store.admin, consumers: note(event, 'admin.consumers', store.admin.consumers) },
    async transaction(work, options) {
      const { calls } = groupOf(event)
      const first = calls.length
      try {
        return await store.transaction(tx => work({ ...tx, ...noted(event, tx, 'committed') }), options)
      }
      catch (error) {
        for (const call of calls.slice(first)) call.transaction = 'rolled back'
        throw toProblem(error)
      }
    },
  }
}

/** What a call answered together with the call: `await exhibit(event, store.kv.get('key'))`. */
export async function exhibit<T>(event: H3Event, answer: Promise<T>): Promise<Exhibit<T>> {
  const result = await answer
  const call = groupOf(event).calls.at(-1)
  if (!call) throw new Error('exhibit() shows calls of a store from logged()')
  await nameTables([call])
  return { result, call }
}

/** The latest requests of a session with their calls, newest first. */
export const callsOf = (session: string): CallGroup[] => [...sessions.get(session) ?? []].reverse()

function groupOf(event: H3Event): CallGroup {
  const open = groups.get(event)
  if (open) return open

  const group: CallGroup = { id: ++groupId, request: `${event.method} ${event.path}`, at: Date.now(), calls: [] }
  const session = sessionOf(event)
  const known = latest(sessions.get(session) ?? [])
  sessions.delete(session)
  sessions.set(session, [...known, group])
  const [oldest] = sessions.keys()
  if (sessions.size > SESSIONS && oldest !== undefined) sessions.delete(oldest)
  groups.set(event, group)
  return group
}

/** Reads and writes have bounds of their own: looking at pages must not push out what an action did. */
function latest(known: CallGroup[]): CallGroup[] {
  const reads = known.filter(({ request }) => request.startsWith('GET '))
  const writes = known.filter(group => !reads.includes(group))
  return [...reads.slice(-READS), ...writes.slice(-WRITES)].sort((a, b) => a.id - b.id)
}

function noted<T extends Omit<StoreApis, 'stream'> & { stream: object }>(
  event: H3Event,
  apis: T,
  transaction?: Call['transaction'],
): Pick<T, 'stream' | 'index' | 'kv'> {
  return {
    stream: note(event, 'stream', apis.stream, transaction),
    index: note(event, 'index', apis.index, transaction),
    kv: note(event, 'kv', apis.kv, transaction),
  }
}

function note<A extends object>(event: H3Event, tier: Tier, api: A, transaction?: Call['transaction']): A {
  return new Proxy(api, {
    get(target, method: string): unknown {
      const original: unknown = Reflect.get(target, method)
      if (typeof original !== 'function') return original
      return async (...args: unknown[]): Promise<unknown> => {
        const call: Call = { tier, method, args, table: tableOfCall(tier, args), ms: 0, transaction }
        groupOf(event).calls.push(call)
        const started = performance.now()
        try {
          return await Reflect.apply(original, target, args)
        }
        catch (error) {
          call.error = isStoreError(error) ? error.code : 'ERROR'
          throw toProblem(error)
        }
        finally {
          call.ms = Math.round((performance.now() - started) * 10) / 10
        }
      }
    },
  })
}
