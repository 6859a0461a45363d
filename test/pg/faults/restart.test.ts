import { expect, it } from 'vitest'
import { startLoad } from './load'
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
