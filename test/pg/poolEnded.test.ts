import { describe, expect, it } from 'vitest'
import type { Store } from '../../src/runtime/core/types'
import { freshDatabase, openStore } from '../setup/database'
import { openPool, servers } from './servers'

const CALLS: [name: string, call: (store: Store, at: number) => Promise<unknown>][] = [
  ['transaction', (store, at) => store.transaction(tx => tx.kv.set(`a:${at}`, at))],
  ['append', (store, at) => store.stream.append(`a:${at % 3}`, { type: 'a' })],
  ['set', (store, at) => store.kv.set(`a:${at}`, at)],
  ['count', store => store.index.count('a')],
]

describe.each(servers)('a pool of the caller\'s on $name that is ended', ({ server }) => {
  it.each(CALLS)('while calls wait for a connection: each %s settles, and the store closes', async (_, call) => {
    const { url } = await freshDatabase(server)
    const pool = openPool(url, 2)
    const store = openStore({ pool })
    await store.ready()
    const held = [await pool.connect(), await pool.connect()]
    const calls = Array.from({ length: 50 }, (_, at) => call(store, at).then(() => 'done', (error: { code?: string }) => error.code))
    await expect.poll(() => pool.waitingCount).toBeGreaterThan(0)
    const ended = pool.end()
    for (const client of held) client.release()
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['CONNECTION']))
    await ended
    await store.close()
  })
})
