import { describe, expect, it } from 'vitest'
import type { Store } from '../../src/runtime/core/index'
import { pglite } from '../setup/backends'

const CALLS: [name: string, call: (store: Store) => Promise<unknown>][] = [
  ['kv.set', store => store.kv.set('a', 1)],
  ['kv.setMany', store => store.kv.setMany([{ key: 'a', value: 1 }])],
  ['kv.clear', store => store.kv.clear('*')],
  ['index.update', store => store.index.update('a', 'a', { n: 1 })],
  ['index.delete', store => store.index.delete('a', 'a')],
  ['stream.append', store => store.stream.append('a:1', { type: 'a' })],
  ['stream.appendMany', store => store.stream.appendMany('a:1', [{ type: 'a' }])],
  ['stream.delete', store => store.stream.delete('a:1')],
]

/** A transaction that is open from the first promise on until `go` is called, and then does `work`. */
async function openTransaction<T>(store: Store, work: () => Promise<T>) {
  let [began, go] = [() => {}, () => {}]
  const begun = new Promise<void>(resolve => began = resolve)
  const goes = new Promise<void>(resolve => go = resolve)
  const ended = store.transaction(async (tx) => {
    await tx.kv.get('a')
    began()
    await goes
    return await work()
  })
  await begun
  return { go: () => go(), ended }
}

describe.each([{ batching: true }, { batching: false }])('an embedded database, with $batching as batching', (options) => {
  async function open(): Promise<Store> {
    const { store } = await pglite.open(options)
    await store.ready()
    return store
  }

  it('refuses calls inside a transaction that stand behind others in their queue, and carries those out', async () => {
    const store = await open()
    for (const [name, call] of CALLS) {
      const { go, ended } = await openTransaction(store, () => call(store))
      const outside = Array.from({ length: 4 }, () => call(store))
      go()
      await expect(ended, name).rejects.toMatchObject({ code: 'INVALID_CALL' })
      await expect(Promise.all(outside), name).resolves.toHaveLength(4)
    }
  })

  it('refuses none of the calls that others make at the same time', async () => {
    const store = await open()
    for (const [name, call] of CALLS) {
      let inside: Promise<unknown> | undefined
      const { go, ended } = await openTransaction(store, async () => void (inside = call(store).catch((error: unknown) => error)))
      go()
      while (!inside) await Promise.resolve()
      await expect(call(store), name).resolves.not.toBeInstanceOf(Error)
      await expect(inside, name).resolves.toMatchObject({ code: 'INVALID_CALL' })
      await ended
    }
  })

  it('refuses calls that onProgress makes', async () => {
    const store = await open()
    const onProgress = () => store.stream.append('a:1', { type: 'a' })
    await expect(store.stream.appendMany('a:1', [{ type: 'a' }], { onProgress })).rejects.toMatchObject({ code: 'INVALID_CALL' })
    await expect(store.stream.read('a:1')).resolves.toEqual([])
  })
})
