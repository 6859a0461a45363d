/** Without a transaction, subjects overtake a slow one: what a kill would repeat of them is bounded. */
import { describe, expect, it } from 'vitest'
import type { ConsumeOptions, ConsumedEvent } from '../../src/runtime/core/consumers/types'
import { embeddedAndServer } from '../setup/backends'
import { gate, numberOf, started } from '../setup/consumers'
import { eventually } from '../setup/eventually'

const FAST = Array.from({ length: 300 }, (_, at) => at + 10)

const inOrder = (numbers: number[]) => numbers.toSorted((a, b) => a - b)

describe.each(embeddedAndServer)('consumers on $name, with a slow subject before many events', ({ available, open }) => {
  /** The events 1 to 4 of the slow subject lie before, among and behind those of the others. */
  async function opened(options: Omit<ConsumeOptions, 'name'>) {
    const { store, sql } = await open()
    const { stream } = store
    const numbered = (n: number) => ({ type: 'numbered', data: { n } })
    const fast = async (numbers: number[]) => {
      for (let line = 0; line < 7; line++) await stream.appendMany(`fast:${line}`, numbers.filter(n => n % 7 === line).map(numbered))
    }
    await stream.append('slow', numbered(1))
    await fast(FAST.slice(0, 150))
    await stream.append('slow', numbered(2))
    await fast(FAST.slice(150))
    await stream.appendMany('slow', [numbered(3), numbered(4)])
    const consumer = await started(store, { name: 'ahead', transaction: 'none', shards: 1, concurrency: 3, leaseMs: 20_000, attemptTimeout: 0, ...options })
    const [first, ...later] = await stream.read('slow')
    /** What a process that follows a kill finds: all is handled but what is under way, and what waits for that. */
    const isSaved = () => eventually(async () => {
      expect(await sql('select position::text from nvent_consumer_shards')).toEqual([{ position: later.at(-1)!.id }])
      expect(await sql(`select from_id::text from nvent_consumer_parked where subject = 'slow'`)).toEqual([{ from_id: first!.id }])
    })
    const isCaughtUp = () => eventually(async () => {
      expect(await consumer.status()).toMatchObject({ lag: 0, parked: 0 })
      expect(await sql('select 1 from nvent_consumer_parked')).toEqual([])
    })
    return { store, consumer, isSaved, isCaughtUp }
  }

  it.runIf(available())('write the position behind what is handled, and go on with the slow subject in its order', async () => {
    const { opened: end, open: go } = gate()
    const seen: number[] = []
    const { isSaved, isCaughtUp } = await opened({
      async handler(event) {
        seen.push(numberOf(event))
        if (numberOf(event) === 1) await end
      },
    })
    await isSaved()
    await eventually(() => expect(inOrder(seen)).toEqual([1, ...FAST]))
    go()
    await isCaughtUp()
    expect(seen.filter(n => n < 10)).toEqual([1, 2, 3, 4])
    expect(seen).toHaveLength(FAST.length + 4)
  })

  it.runIf(available())('count the attempt of an event that fails after it was left behind', async () => {
    const { opened: end, open: go } = gate()
    const slow: [number, number][] = []
    const { store, isSaved, consumer } = await opened({
      maxAttempts: 2, async handler(event, { attempt }) {
        if (event.subject !== 'slow') return
        slow.push([numberOf(event), attempt])
        await end
        if (numberOf(event) !== 2) throw new Error('always')
      },
    })
    await isSaved()
    go()
    await eventually(async () => expect((await store.deadLetters.list()).letters).toMatchObject([{ event: { data: { n: 1 } }, attempts: 2 }]))
    expect(slow).toEqual([[1, 1], [1, 2]])
    expect(await consumer.status()).toMatchObject({ parked: 1 })
  })

  it.runIf(available()).each(['done', 'undone', 'failed'] as const)('go on behind a batch that was left behind: %s', async (becomes) => {
    const { opened: end, open: go } = gate()
    const done: number[] = []
    let batches = 0
    const { isSaved, isCaughtUp } = await opened({
      batchSize: 20, async batchHandler(events: ConsumedEvent[]) {
        const isSlow = events.some(({ subject }) => subject === 'slow')
        if (isSlow) await end
        if (isSlow && batches++ === 0 && becomes === 'failed') throw new Error('in the first batch')
        const isUndone = ({ subject }: ConsumedEvent) => becomes === 'undone' && batches === 1 && subject === 'slow'
        done.push(...events.filter(event => !isUndone(event)).map(numberOf))
        return events.map(event => isUndone(event) ? { retry: { after: 1 } } : 'done')
      },
    })
    await isSaved()
    expect(done.length).toBeGreaterThan(FAST.length - 60)
    go()
    await isCaughtUp()
    expect(inOrder(done)).toEqual([1, 2, 3, 4, ...FAST])
    expect(done.filter(n => n < 10)).toEqual([1, 2, 3, 4])
    for (let line = 0; line < 7; line++) {
      const ofLine = done.filter(n => n >= 10 && n % 7 === line)
      expect(ofLine).toEqual(inOrder(ofLine))
    }
  })
})
