import type { H3Event } from 'h3'
import { isStoreError, tableOf, type Store, type Surfaces } from 'nvent-store-postgres/core'
import type { Call, CallGroup, Exhibit, Tier } from '~/types/desk'

const SESSIONS = 100
const READS = 10
const WRITES = 40

const sessions = new Map<string, CallGroup[]>()
const openGroups = new WeakMap<H3Event, CallGroup>()
let groupId = 0

/**
 * The same store, with every call of this request noted down for the pages to show. In an app of your own leave it
 * away: `const store = useStore()`.
 */
export function logged(event: H3Event, store: Store): Store {
  const group = openGroup(event)
  return {
    ...noted(store, group),
    ready: () => store.ready(),
    close: () => store.close(),
    async transaction(work) {
      const first = group.calls.length
      try {
        return await store.transaction(tx => work({ ...tx, ...noted(tx, group, 'committed') }))
      }
      catch (error) {
        for (const call of group.calls.slice(first)) call.transaction = 'rolled back'
        throw toProblem(error)
      }
    },
  }
}

/** What a call answered together with the call: `await exhibit(event, store.kv.get('key'))`. */
export async function exhibit<T>(event: H3Event, answer: Promise<T>): Promise<Exhibit<T>> {
  const result = await answer
  const call = openGroup(event).calls.at(-1)
  if (!call) throw new Error('exhibit() shows calls of a store from logged()')
  return { result, call }
}

/** The latest requests of a session with their calls, newest first. */
export const callsOf = (session: string): CallGroup[] => sessions.get(session)?.toReversed() ?? []

function openGroup(event: H3Event): CallGroup {
  const open = openGroups.get(event)
  if (open) return open

  const group: CallGroup = { id: ++groupId, request: `${event.method} ${event.path}`, at: Date.now(), calls: [] }
  const session = sessionOf(event)
  const groups = latest(sessions.get(session) ?? [])
  sessions.delete(session)
  sessions.set(session, [...groups, group])
  const [oldest] = sessions.keys()
  if (sessions.size > SESSIONS && oldest !== undefined) sessions.delete(oldest)
  openGroups.set(event, group)
  return group
}

/** Reads and writes have bounds of their own: looking at pages must not push out what an action did. */
function latest(groups: CallGroup[]): CallGroup[] {
  const reads = groups.filter(({ request }) => request.startsWith('GET '))
  const writes = groups.filter(group => !reads.includes(group))
  return [...reads.slice(-READS), ...writes.slice(-WRITES)].sort((a, b) => a.id - b.id)
}

function noted<T extends Pick<Surfaces, 'index' | 'kv'> & { stream: object }>(
  tiers: T,
  group: CallGroup,
  transaction?: Call['transaction'],
): Pick<T, Tier> {
  const note = <S extends object>(tier: Tier, surface: S): S => new Proxy(surface, {
    get(target, method: string): unknown {
      const original: unknown = Reflect.get(target, method)
      if (typeof original !== 'function') return original
      return async (...args: unknown[]): Promise<unknown> => {
        const started = performance.now()
        const call: Call = { tier, method, args, table: tableOf(tier, String(args[0])), ms: 0, transaction }
        group.calls.push(call)
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
  return { stream: note('stream', tiers.stream), index: note('index', tiers.index), kv: note('kv', tiers.kv) }
}
