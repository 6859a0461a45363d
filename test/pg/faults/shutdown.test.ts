import { expect, it } from 'vitest'
import { isStoreError } from '../../../src/runtime/core/index'
import { currentHandle, leave, takeOver } from '../../../src/runtime/server/handle'
import { useOwnServer } from './own'
import { startLoad } from './load'

const { server, open } = useOwnServer()
const quiet = { info: () => {}, warn: () => {}, error: () => {} }

const CONNECTIONS = `select count(*)::int as open from pg_stat_activity
  where backend_type = 'client backend' and application_name = $1`

it('a store that closes under load finishes what it has begun: nothing acknowledged is lost, nothing hangs', async () => {
  const reader = open({ prefix: 'closing' })
  for (let round = 0; round < 5; round++) {
    const store = open({ prefix: 'closing', poolSize: 4 })
    await store.ready()
    const load = startLoad(store, `round${round}`)
    await load.progress()
    // As many calls as there are at one time, of all kinds, some of them waiting in queues.
    const calls = Array.from({ length: 300 }, (_, at) => store.kv.set(`closing:${round}:${at}`, at))
    const closed = store.close()
    await Promise.all([...calls, closed])
    await expect(store.kv.get('late')).rejects.toMatchObject({ code: 'CLOSED' })
    await load.stop()
    expect(load.codes()).toEqual(['CLOSED'])
    expect(await reader.kv.getMany(calls.map((_, at) => `closing:${round}:${at}`))).toEqual(calls.map((_, at) => at))
    await load.check(reader)
  }
})

it('twenty reloads under load leave one set of connections, and lose nothing', async () => {
  const name = 'reloading'
  const settings = { connection: { connectionString: server().url, application_name: name }, prefix: name, poolSize: 3 }
  const store = () => currentHandle(() => ({ options: settings, source: 'test', warnings: [] }), quiet).store
  const reader = open({ prefix: name })
  let app = {}
  let running = true
  const acknowledged: number[] = []
  let next = 0
  takeOver(app, 'same', quiet)
  await store().ready()

  const writers = Array.from({ length: 8 }, async () => {
    while (running) {
      const number = next++
      await store().stream.append('reloads:all', { type: 'written', data: number }).then(() => acknowledged.push(number), (error: unknown) => {
        if (!isStoreError(error) || error.code !== 'CLOSED') throw error
      })
    }
  })
  const connections = async () => (await reader.transaction(tx => tx.query<{ open: number }>(CONNECTIONS, [name]))).rows[0]!.open

  for (let reload = 0; reload < 20; reload++) {
    const before = acknowledged.length
    await expect.poll(() => acknowledged.length, { interval: 5 }).toBeGreaterThan(before + 20)
    const old = app
    app = {}
    // Half of them change the configuration: then the new app gets a store of its own, while the old one finishes.
    takeOver(app, reload % 2 === 0 ? 'same' : `other ${reload}`, quiet)
    await leave(old)
    expect(await connections()).toBeLessThanOrEqual(2 * settings.poolSize)
  }
  running = false
  await Promise.all(writers)
  await expect.poll(connections).toBeLessThanOrEqual(settings.poolSize)
  const written = (await reader.stream.read('reloads:all')).map(event => event.data as number)
  expect(written.toSorted((a, b) => a - b)).toEqual(acknowledged.toSorted((a, b) => a - b))
  await leave(app)
  await expect.poll(connections).toBe(0)
})
