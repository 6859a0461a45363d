/**
 * Calls on one key that nobody waits for: whatever their kinds, they give what the same calls give one after the
 * other. All pairs are tried behind one that makes the key, on keys of their own and all of them at once: with and
 * without batching each pair once, on one of the backends.
 */
import { describe, expect, it } from 'vitest'
import { isStoreError } from '../../src/runtime/core/index'
import type { Store } from '../../src/runtime/core/types'
import type { TransactionApi } from '../../src/runtime/core/transaction/types'
import type { Backend } from '../setup/backends'
import { pglite, postgres15, postgres18 } from '../setup/backends'

const backends = [pglite, postgres18, postgres15].filter(backend => backend.available())

type Tiers = Pick<TransactionApi, 'stream' | 'index' | 'kv'>
type Call = (on: Tiers, key: string) => Promise<unknown>

interface Kind {
  calls: Record<string, Call>
  /** What is left of a key. */
  state: Call
}

const withoutIds = (events: { id: string, ts: number }[]) => events.map(({ id: _, ts: __, ...event }) => event)

const streams: Kind = {
  calls: {
    append: async ({ stream }, key) => withoutIds([await stream.append(key, { type: 'one', data: { n: 1 } })]),
    appendFirst: async ({ stream }, key) => withoutIds([await stream.append(key, { type: 'first' }, { expectedVersion: 'no-stream' })]),
    appendWithId: async ({ stream }, key) => withoutIds([await stream.append(key, { type: 'known' }, { eventId: 'x' })]),
    appendMany: async ({ stream }, key) => withoutIds(await stream.appendMany(key, [{ type: 'many' }, { type: 'many' }])),
    appendAll: async ({ stream }, key) => (await stream.appendAll([{ subject: `${key}-twin`, events: [{ type: 'all' }] }, { subject: key, events: [{ type: 'all' }] }])).map(withoutIds),
    delete: ({ stream }, key) => stream.delete(key),
    archive: ({ stream }, key) => stream.archive(key),
    unarchive: ({ stream }, key) => stream.unarchive(key),
    truncateBefore: ({ stream }, key) => stream.truncateBefore(key, 2),
  },
  state: async ({ stream }, key) => [withoutIds(await stream.read(key, { archived: true })), withoutIds(await stream.read(key))],
}

const entries: Kind = {
  calls: {
    add: ({ index }, key) => index.add('things', key, 1, { n: 1, a: { b: 1 } }),
    update: ({ index }, key) => index.update('things', key, { a: { c: 2 } }),
    updateWithRetry: ({ index }, key) => index.updateWithRetry('things', key, { a: null }, 0),
    increment: ({ index }, key) => index.increment('things', key, 'n', 0.5),
    get: ({ index }, key) => index.get('things', key),
    getMany: ({ index }, key) => index.getMany('things', [`${key}-none`, key, key]),
    delete: ({ index }, key) => index.delete('things', key),
  },
  state: ({ index }, key) => index.get('things', key),
}

const values: Kind = {
  calls: {
    set: ({ kv }, key) => kv.set(key, 1),
    setMany: ({ kv }, key) => kv.setMany([{ key: `${key}-twin`, value: 2 }, { key, value: 2 }]),
    increment: ({ kv }, key) => kv.increment(key, 0.5),
    get: ({ kv }, key) => kv.get(key),
    getMany: ({ kv }, key) => kv.getMany([key, `${key}-twin`]),
    delete: ({ kv }, key) => kv.delete(key),
    clear: ({ kv }, key) => kv.clear(`${key.slice(0, -1)}?`),
    clearTwins: ({ kv }, key) => kv.clear(`${key}-*`),
  },
  state: ({ kv }, key) => kv.getMany([key, `${key}-twin`]),
}

const outcome = (call: Promise<unknown>, key: string) => call.then(
  value => withoutKey(value ?? null, key),
  (error: unknown) => isStoreError(error) ? error.code : String(error),
)

const withoutKey = (value: unknown, key: string): unknown => JSON.parse(JSON.stringify(value).replaceAll(key, 'key'))

/** On each backend every call is the second one and the third one. */
function sequences({ calls }: Kind, backend: Backend): string[][] {
  const names = Object.keys(calls)
  const share = backends.indexOf(backend)
  return names.flatMap((second, row) => names
    .filter((_, column) => (row + column) % backends.length === share)
    .map(third => [names[0]!, second, third]))
}

/** All these sequences, each on a key of its own: the outcomes of its calls, and what they left. */
async function outcomes(on: Tiers, kind: Kind, of: string[][], prefix: string, awaited: boolean): Promise<Record<string, unknown>> {
  const run = async (names: string[], at: number) => {
    const key = `${prefix}:${String(at).padStart(4, '0')}k`
    const results: unknown[] = []
    for (const name of names) {
      const result = outcome(kind.calls[name]!(on, key), key)
      results.push(awaited ? await result : result)
    }
    return [names.join(', '), { results: await Promise.all(results), state: withoutKey(await kind.state(on, key), key) }] as const
  }
  if (!awaited) return Object.fromEntries(await Promise.all(of.map(run)))
  const each = []
  for (const [at, names] of of.entries()) each.push(await run(names, at))
  return Object.fromEntries(each)
}

const modes: [name: string, backend: Backend, batching: boolean][] = backends.flatMap(backend =>
  [true, false].map((batching): [string, Backend, boolean] => [`${backend.name} ${batching ? 'with' : 'without'} batching`, backend, batching]))

describe.each(modes)('calls that are not awaited, on %s', (_, backend, batching) => {
  let opened: Promise<Store> | undefined
  const open = () => opened ??= backend.open({ batching, poolSize: 10 }).then(({ store }) => store)

  it.each([['streams', streams], ['entries', entries], ['values', values]])('keep the order of each key: %s', async (name, kind) => {
    const store = await open()
    const tried = sequences(kind, backend)
    const expected = await outcomes(store, kind, tried, `${name}-awaited`, true)
    expect(await outcomes(store, kind, tried, `${name}-together`, false)).toEqual(expected)
  }, 120_000)

  it('keep their order in a transaction, and are part of it', async () => {
    const store = await open()
    const subject = 'in:tx'
    await store.transaction(async (tx) => {
      void tx.stream.append(subject, { type: 'a' }, { eventId: 'a' })
      void tx.stream.append(subject, { type: 'b' })
      void tx.stream.delete(subject)
      void tx.stream.append(subject, { type: 'c' })
      void tx.stream.append(subject, { type: 'd' }, { eventId: 'd' })
      expect((await tx.stream.read(subject)).map(({ type }) => type)).toEqual(['c', 'd'])
      void tx.stream.archive(subject)
      void tx.stream.unarchive(subject)
      void tx.kv.set('in:tx', 1)
      void tx.kv.increment('in:tx')
    })
    expect((await store.stream.read(subject)).map(({ type }) => type)).toEqual(['c', 'd'])
    expect(await store.kv.get('in:tx')).toBe(2)
  }, 120_000)

  it('keep their order when they are larger than a statement', async () => {
    const store = await open()
    const events = Array.from({ length: 5_001 }, () => ({ type: 'many' }))
    const [, , removed, last] = await Promise.all([
      store.stream.append('large:1', { type: 'first' }), store.stream.appendMany('large:1', events),
      store.stream.truncateBefore('large:1', 5_002), store.stream.append('large:1', { type: 'last' }),
    ])
    expect(removed).toBe(5_001)
    expect((await store.stream.read('large:1')).map(({ type }) => type)).toEqual(['many', 'last'])
    expect(last.type).toBe('last')
  }, 120_000)
})
