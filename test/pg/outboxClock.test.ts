/** Delays end by the clock of the database: that of the embedded one is that of its process. */
import { afterEach, describe, expect, it, vi } from 'vitest'
import { freshDatabase, openStore } from '../setup/database'
import { eventually } from '../setup/eventually'
import { oneServer } from './servers'

const DELAY = 600

afterEach(() => vi.restoreAllMocks())

describe.each(oneServer)('a delay of the outbox on $name', ({ server }) => {
  it.each([['fast', 3_600_000], ['slow', -3_600_000]])('ends by the clock of the database, where that of a process is %s', async (_, wrongBy) => {
    const store = openStore({ connection: (await freshDatabase(server)).url })
    const right = Date.now.bind(Date)
    const wrong = () => vi.spyOn(Date, 'now').mockImplementation(() => right() + wrongBy)
    const enqueue = async (name: string) => {
      enqueuedAt[name] = performance.now()
      await store.outbox.enqueue(name, { topics: ['t'], delayMs: DELAY })
    }
    const enqueuedAt: Record<string, number> = {}
    const waited: Record<string, number> = {}
    const relay = store.outbox.relay({ pollInterval: 20, publish: ({ data }) => void (waited[data as string] ??= performance.now() - enqueuedAt[data as string]!) })

    wrong()
    await enqueue('by a process that enqueues')
    vi.restoreAllMocks()
    await relay.start()
    await eventually(() => expect(Object.keys(waited)).toHaveLength(1))
    await enqueue('by one that publishes')
    wrong()
    await eventually(() => expect(Object.keys(waited)).toHaveLength(2))
    // The database stores whole milliseconds.
    for (const [name, ms] of Object.entries(waited)) expect(ms, name).toBeGreaterThanOrEqual(DELAY - 1)
    await relay.stop()
  })
})
