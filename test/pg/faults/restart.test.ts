import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import type { Store } from '../../../src/runtime/core/index'
import { eventually } from '../../setup/eventually'
import { EFFECTS, READ_EFFECTS } from './effects'
import type { Effect } from './effects'
import { startLoad } from './load'
import { appending, checkEffects, noting } from './numbered'
import { useOwnServer } from './own'

const { server, open } = useOwnServer({ fsync: 'on', full_page_writes: 'on' })

it.each(['immediate', 'fast'] as const)('a server that is stopped under load (%s) and started again loses no acknowledged write', async (mode) => {
  const store = open({ poolSize: 6 })
  await store.ready()
  const load = startLoad(store)
  for (let round = 0; round < 2; round++) {
    await load.progress()
    await server().halt(mode)
    await server().start()
  }
  await load.progress()
  await load.stop()
  expect(load.codes().filter(code => code !== 'CONNECTION' && code !== 'TIMEOUT')).toEqual([])
  await load.check(store)
})

it('a server that crashes under unbatched load loses nothing either', async () => {
  const store = open({ batching: false })
  await store.ready()
  const load = startLoad(store)
  await load.progress()
  await server().halt('immediate')
  await server().start()
  await load.progress()
  await load.stop()
  await load.check(store)
})

it('a subscription goes on after the restart, with each event once', async () => {
  const store = open({ pollInterval: 20 })
  const seen: unknown[] = []
  await store.stream.subscribe('orders:1', event => void seen.push(event.data))
  await store.stream.append('orders:1', { type: 'placed', data: 1 })
  await expect.poll(() => seen).toEqual([1])
  await server().halt('immediate')
  await server().start()
  await expect.poll(() => store.stream.append('orders:1', { type: 'placed', data: 2 }).then(() => 'done', () => 'again')).toBe('done')
  await expect.poll(() => seen).toEqual([1, 2])
})

it.each(['each', 'batch'] as const)('consumers go on after restarts, with every effect once and in order: transaction %s', async (transaction) => {
  const prefix = `consumers_${transaction}`
  const stores = [open({ prefix }), open({ prefix })]
  const [first] = stores as [Store, Store]
  await first.transaction(async (tx) => {
    await tx.query('drop table if exists effects')
    await tx.query(EFFECTS)
  })
  const consumers = stores.map((store, at) => store.consume({
    name: 'totals', transaction, leaseMs: 1_000, pollInterval: 50, backoff: { first: 20, max: 200 }, handler: noting(String(at)),
  }))
  for (const consumer of consumers) await consumer.start()
  const events = appending(first)
  for (const mode of ['immediate', 'fast'] as const) {
    await sleep(500)
    await server().halt(mode)
    await server().start()
  }
  await sleep(500)
  await events.stop()
  await eventually(async () => expect(await consumers[0]!.status()).toMatchObject({ lag: 0, parked: 0 }))
  await Promise.all(consumers.map(consumer => consumer.stop()))

  const { rows } = await first.transaction(tx => tx.query<Effect>(READ_EFFECTS))
  expect(checkEffects(rows, events.next).doubled).toBe(0)
  // No restart is a failure of an event.
  expect((await first.deadLetters.list()).letters).toEqual([])
})
