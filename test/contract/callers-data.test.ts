/** What a call was given is taken at the call: the caller may change it while the call is under way. */
import { describe, expect, it } from 'vitest'
import type { Store } from '../../src/runtime/core/types'
import { pglite, postgres18 } from '../setup/backends'

/** Something that no table of the store holds on its own, deep enough to be kept by reference. */
const given = () => ({ type: 'given', data: { list: [{ n: 1 }] }, own: { list: [{ n: 1 }] } })
const metadata = () => ({ status: 'given', emittedEvents: { a: [1] }, own: { list: [{ n: 1 }] } })

/** Changes all that an object or array holds, at every level. */
function spoil(value: unknown): void {
  if (typeof value !== 'object' || value === null) return
  for (const name of Object.keys(value)) {
    spoil((value as Record<string, unknown>)[name])
    ;(value as Record<string, unknown>)[name] = 'changed'
  }
}

type Made = [arguments_: unknown[], call: Promise<unknown>]

const calls: Record<string, (store: Store) => Made> = {
  'stream.append': ({ stream }) => made(['s:1', given(), { meta: { correlationId: 'c' }, eventId: 'e1' }], args => stream.append(...args as Parameters<typeof stream.append>)),
  'stream.appendMany': ({ stream }) => made(['s:2', [given(), given()], { eventIds: ['a', 'b'] }], args => stream.appendMany(...args as Parameters<typeof stream.appendMany>)),
  'stream.appendAll': ({ stream }) => made([[{ subject: 's:3', events: [given()] }, { subject: 's:4', events: [given()] }]], args => stream.appendAll(...args as Parameters<typeof stream.appendAll>)),
  'stream.read': ({ stream }) => made(['s:0', { types: ['given'], limit: 1, order: 'desc' }], args => stream.read(...args as Parameters<typeof stream.read>)),
  'index.add': ({ index }) => made(['nvent:flow:runs:f', '1', 1, metadata()], args => index.add(...args as Parameters<typeof index.add>)),
  'index.update': ({ index }) => made(['nvent:flow:runs:f', '0', metadata()], args => index.update(...args as Parameters<typeof index.update>)),
  'index.getMany': ({ index }) => made(['nvent:flow:runs:f', ['0']], args => index.getMany(...args as Parameters<typeof index.getMany>)),
  'index.read': ({ index }) => made(['nvent:flow:runs:f', { filter: { status: ['given'] }, limit: 1 }], args => index.read(...args as Parameters<typeof index.read>)),
  'kv.set': ({ kv }) => made(['k1', given()], args => kv.set(...args as Parameters<typeof kv.set>)),
  'kv.setMany': ({ kv }) => made([[{ key: 'k2', value: given() }]], args => kv.setMany(...args as Parameters<typeof kv.setMany>)),
  'kv.list': ({ kv }) => made([{ glob: 'k0', limit: 1 }], args => kv.list(...args as Parameters<typeof kv.list>)),
  'kv.getMany': ({ kv }) => made([['k0']], args => kv.getMany(...args as Parameters<typeof kv.getMany>)),
}

const made = (args: unknown[], call: (args: unknown[]) => Promise<unknown>): Made => [args, call(args)]

// What differs from store to store, and a read may come before or after an update.
const OWN = new Set(['id', 'ts', 'version'])
const plain = (value: unknown) => JSON.parse(JSON.stringify(value ?? null, (name, each: unknown) => OWN.has(name) ? undefined : each)) as unknown

async function prepared(store: Store): Promise<Store> {
  await store.stream.append('s:0', given())
  await store.index.add('nvent:flow:runs:f', '0', 1, metadata())
  await store.kv.set('k0', given())
  return store
}

async function contents({ stream, index, kv }: Store): Promise<unknown> {
  return plain([
    await Promise.all([1, 2, 3, 4].map(at => stream.read(`s:${at}`))), await index.getMany('nvent:flow:runs:f', ['0', '1']), await kv.getMany(['k0', 'k1', 'k2']),
  ])
}

describe.each([pglite, postgres18].flatMap(backend => [true, false].map(batching => ({ ...backend, batching }))))('what callers give, on $name, batching: $batching', ({ available, open, batching }) => {
  it.runIf(available())('is taken at the call, also while the store connects', async () => {
    const kept = await open({ batching }).then(({ store }) => prepared(store))
    const { store: spoiled, reopen } = await open({ batching })
    await prepared(spoiled)
    // Where the data outlives a store, its first calls wait until another one has connected.
    const store = reopen ? (await reopen({ batching })).store : spoiled
    const expected: Record<string, unknown> = {}
    for (const [name, call] of Object.entries(calls)) expected[name] = plain(await call(kept)[1])
    const results = Object.entries(calls).map(([name, call]) => {
      const [args, result] = call(store)
      spoil(args)
      return [name, result] as const
    })
    for (const [name, result] of results) expect({ [name]: plain(await result) }).toEqual({ [name]: expected[name] })
    expect(await contents(store)).toEqual(await contents(kept))
  }, 120_000)

  it.runIf(available())('is taken once by updateWithRetry, however often it tries', async () => {
    const { store } = await open({ batching })
    const patch = { own: { list: [1] }, emittedEvents: { a: [1] } }
    const updated = store.index.updateWithRetry('nvent:flow:runs:f', 'late', patch, 20)
    spoil(patch)
    await store.index.add('nvent:flow:runs:f', 'late', 1)
    await updated
    expect((await store.index.get('nvent:flow:runs:f', 'late'))?.metadata).toMatchObject({ own: { list: [1] }, emittedEvents: { a: [1] } })
  }, 120_000)
})
