import { afterEach, describe, expect, it } from 'vitest'
import { StoreError } from '../../src/runtime/core/shared/errors'
import { currentHandle, leave, takeOver } from '../../src/runtime/server/handle'
import type { StoreSettings } from '../../src/runtime/server/settings'

const quiet = { info: () => {}, warn: () => {}, error: () => {} }
// Nothing listens there; the store of these tests never connects.
const settings = (): StoreSettings => ({ options: { connection: 'postgres://127.0.0.1:1/none' }, source: 'test', warnings: [] })
const store = () => currentHandle(settings, quiet).store
const isClosed = (one: ReturnType<typeof store>) => one.kv.get('x').then(() => false, (error: StoreError) => error.code === 'CLOSED')

let last: object | undefined
const app = (fingerprint: string) => {
  last = {}
  takeOver(last, fingerprint, quiet)
  return last
}

afterEach(async () => {
  if (last) await leave(last)
})

describe('the store of the process', () => {
  it('is one, however often and early it is asked for', () => {
    const early = store()
    app('a')
    expect(store()).toBe(early)
    expect(store()).toBe(early)
  })

  it('outlives a reload with the same configuration, and the end of the app before', async () => {
    const first = app('a')
    const kept = store()
    app('a')
    await leave(first)
    expect(store()).toBe(kept)
  })

  it('is closed with its app, then refuses late calls, and the next app gets a new one', async () => {
    const first = app('a')
    const closed = store()
    await leave(first)
    expect(store()).toBe(closed)
    expect(await isClosed(closed)).toBe(true)
    app('a')
    expect(store()).not.toBe(closed)
  })

  it('is replaced and closed when the next app is configured differently', async () => {
    app('a')
    const old = store()
    app('b')
    expect(store()).not.toBe(old)
    expect(await isClosed(old)).toBe(true)
  })
})

describe('a store that can\'t be made', () => {
  it('rejects every call with the reason, and closes', async () => {
    const reason = new StoreError('INVALID_OPTION', 'no database')
    app('broken')
    const { store, error } = currentHandle(() => {
      throw reason
    }, quiet)
    expect(error).toBe(reason)
    await expect(store.ready()).rejects.toBe(reason)
    await expect(store.stream.append('a', { type: 'b' })).rejects.toBe(reason)
    await expect(store.kv.get('a')).rejects.toBe(reason)
    await expect(store.transaction(async () => 1)).rejects.toBe(reason)
    await expect(store.stream.readAll()[Symbol.asyncIterator]().next()).rejects.toBe(reason)
    await expect((async () => {
      for await (const event of store.stream.subscribe('a')) return event
    })()).rejects.toBe(reason)
    expect(await Promise.resolve(store)).toBe(store)
    expect(await Promise.resolve(store.index)).toBe(store.index)
    await expect(store.close()).resolves.toBeUndefined()
  })

  it('is what an option out of range gives', async () => {
    app('wrong option')
    const { store } = currentHandle(() => ({ ...settings(), options: { connection: 'pglite://memory', prefix: '' } }), quiet)
    await expect(store.kv.get('a')).rejects.toMatchObject({ code: 'INVALID_OPTION', details: { option: 'prefix' } })
  })
})
