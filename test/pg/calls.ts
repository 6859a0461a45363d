import { expect } from 'vitest'
import type { Store } from '../../src/runtime/core/types'

/** All three tiers and whatever a store does beside them. */
export async function useAll(store: Store): Promise<void> {
  const { id } = await store.stream.append('nvent:flow:run:r', { type: 'started', runId: 'r', data: 1 })
  await store.stream.append('nvent:trigger:event:t', { type: 'fired', triggerName: 't' })
  for (const data of [1, 2, 3]) await store.stream.append('orders:1', { type: 'counted', data })
  expect((await store.stream.read('orders:1')).map(event => event.data as number)).toEqual([1, 2, 3])
  expect(await store.stream.read('nvent:flow:run:r', { before: String(BigInt(id) + 1n) })).toHaveLength(1)
  expect(await store.stream.delete('nvent:trigger:event:t')).toBe(true)

  await store.index.add('nvent:flows', 'f', 1, { stats: { total: 0 }, more: { a: 1 } })
  await store.index.updateWithRetry('nvent:flows', 'f', { more: { b: 2 }, lastRunAt: 5 })
  expect(await store.index.increment('nvent:flows', 'f', 'stats.total', 2)).toBe(2)
  expect(await store.index.read('nvent:flows', { filter: { lastRunAt: 5 } })).toHaveLength(1)
  await store.index.add('orders', 'o', 1, { status: 'open' })
  expect(await store.index.remove('orders', 'o')).toBe(true)

  await store.kv.set('k', { a: 1 }, 60)
  expect(await store.kv.get('k')).toEqual({ a: 1 })
  expect(await store.kv.increment('n')).toBe(1)
  expect(await store.kv.clear('*')).toBe(2)
  await store.transaction(async (tx) => {
    await tx.stream.append('orders:2', { type: 'counted' })
    await tx.index.add('nvent:triggers', 't', 1, {})
    await tx.kv.set('k', 1)
  })
  expect(await store.stream.read('orders:2')).toHaveLength(1)
}
