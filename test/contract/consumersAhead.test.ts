/** Without a transaction, subjects overtake a slow one: what a kill would repeat of them is bounded. */
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { ConsumeOptions, ConsumedEvent, Consumer } from '../../src/runtime/core/consumers/types'
import { embeddedAndServer } from '../setup/backends'
import { append, consumerOf, gate, numberOf, started } from '../setup/consumers'
import { eventually } from '../setup/eventually'

const FAST = Array.from({ length: 300 }, (_, at) => at + 10)

const inOrder = (numbers: number[]) => numbers.toSorted((a, b) => a - b)

describe.each(embeddedAndServer)('consumers on $name, with a slow subject before many events', ({ available, open }) => {
  /** The events 1 to 4 of the slow subject lie before, among and behind those of the others. */
  async function opened(options: Omit<ConsumeOptions, 'name'>, { others = [] as string[], begin = started as (...given: Parameters<typeof started>) => Consumer | Promise<Consumer> } = {}) {
    const { store, sql } = await open()
    const { stream } = store
    const numbered = (n: number) => ({ type: 'numbered', data: { n } })
    const fast = async (numbers: number[]) => {
      for (let line = 0; line < 7; line++) await stream.appendMany(`fast:${line}`, numbers.filter(n => n % 7 === line).map(numbered))
    }
    for (const subject of others) await stream.append(subject, numbered(0))
    await stream.append('slow', numbered(1))
    await fast(FAST.slice(0, 150))
    await stream.append('slow', numbered(2))
    await fast(FAST.slice(150))
    await stream.appendMany('slow', [numbered(3), numbered(4)])
    const consumer = await begin(store, { name: 'ahead', transaction: 'none', shards: 1, concurrency: 3, leaseMs: 20_000, attemptTimeout: 0, ...options })
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

  it.runIf(available())('are caught up once the slow subject is', async () => {
    const { opened: end, open: go } = gate()
    const slow: number[] = []
    const { consumer, isSaved } = await opened({
      async handler(event) {
        if (numberOf(event) === 1) await end
        if (event.subject === 'slow') slow.push(numberOf(event))
      },
    })
    await isSaved()
    const { position } = await consumer.status()
    const isLate = { code: 'TIMEOUT', message: expect.stringContaining('which others have overtaken') as string }
    await expect(consumer.whenCaughtUp({ timeout: 1 })).rejects.toMatchObject(isLate)
    await expect(consumer.whenProcessed(position!, { timeout: 1 })).rejects.toMatchObject(isLate)
    go()
    await consumer.whenCaughtUp({ timeout: 120_000 })
    expect(slow).toEqual([1, 2, 3, 4])
  })

  it.runIf(available())('are caught up when the slow subject has failed, or waits for a limit', async () => {
    for (const waits of ['a failure', 'a limit']) {
      const { opened: end, open: go } = gate()
      const slow: number[] = []
      const { consumer, isSaved } = await opened({
        backoff: { first: 3_600_000, max: 3_600_000 },
        ...waits === 'a limit' && { rateLimit: { limit: 1, perMs: 3_600_000, key: ({ subject }) => subject === 'slow' ? subject : undefined } },
        async handler(event) {
          if (event.subject !== 'slow') return
          slow.push(numberOf(event))
          await end
          if (waits === 'a failure') throw new Error('poison')
        },
      })
      await isSaved()
      go()
      await consumer.whenCaughtUp({ timeout: 120_000 })
      expect(slow, waits).toEqual([1])
      expect(await consumer.status(), waits).toMatchObject({ parked: 1, lag: 0 })
      await consumer.stop()
    }
  })

  it.runIf(available())('are not caught up where runOnce has ended before the slow subject', async () => {
    const { opened: end, open: go } = gate()
    const slow: number[] = []
    const { consumer, isSaved } = await opened({
      async handler(event) {
        if (event.subject === 'slow') slow.push(numberOf(event))
        if (numberOf(event) === 1) await end
      },
    }, { begin: consumerOf })
    const run = consumer.runOnce({ maxMs: 600_000 })
    await isSaved()
    await consumer.stop({ drainMs: 0 })
    expect(await run).toMatchObject({ caughtUp: false })
    go()
    expect(await consumer.runOnce({ maxMs: 120_000 })).toMatchObject({ caughtUp: true })
    expect(slow).toEqual([1, 1, 2, 3, 4])
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

  /** Two subjects that fail, each before others, where only one may be parked. */
  async function failing(options: Omit<ConsumeOptions, 'name'>) {
    const { store } = await open()
    for (const subject of ['bad:1', 'bad:2']) {
      await append(store, subject, 1)
      for (let line = 0; line < 10; line++) await append(store, `of:${subject}:${line}`, line)
    }
    const consumer = consumerOf(store, { name: 'refused', transaction: 'none', shards: 1, concurrency: 4, maxParked: 1, leaseMs: 20_000, ...options })
    return consumer
  }

  const isBad = ({ subject }: Pick<ConsumedEvent, 'subject'>) => subject.startsWith('bad')
  const others = (seen: string[]) => seen.filter(subject => !isBad({ subject }))

  const REFUSED: [how: string, options: (seen: string[], parked: () => Promise<number>) => Omit<ConsumeOptions, 'name'>][] = [
    ['a handler', (seen, parked) => ({
      async handler(event) {
        seen.push(event.subject)
        if (!isBad(event)) return
        if (event.subject === 'bad:2') await eventually(async () => expect([new Set(seen).size, await parked()]).toEqual([22, 1]))
        throw new Error('always')
      },
    })],
    ['a batchHandler', seen => ({
      batchSize: 5, concurrency: 1, batchHandler(events) {
        seen.push(...events.map(({ subject }) => subject))
        return events.map(event => isBad(event) ? { retry: { after: 60_000 } } : 'done')
      },
    })],
  ]

  it.runIf(available()).each(REFUSED)('handle nothing again when more subjects fail than may be parked: %s', async (_, optionsOf) => {
    const seen: string[] = []
    const parked = async () => (await consumer.status()).parked
    const consumer: Consumer = await failing({ backoff: { first: 60_000, max: 60_000 }, ...optionsOf(seen, parked) })
    await consumer.start()
    // One of them is tried again and again, as it can't be parked.
    await eventually(() => expect(seen.filter(subject => isBad({ subject })).length).toBeGreaterThan(5))
    await eventually(() => expect(new Set(seen).size).toBe(22))
    expect(others(seen)).toHaveLength(20)
  })

  it.runIf(available())('handle nothing again when a consumer that has stopped at an event is started again', async () => {
    const seen: string[] = []
    let isMended = false
    const consumer = await failing({
      onExhausted: 'stop', maxAttempts: 1, async handler(event) {
        seen.push(event.subject)
        if (isMended || !isBad(event)) return
        await eventually(() => expect(new Set(seen).size).toBe(22))
        throw new Error('always')
      },
    })
    await consumer.start()
    await eventually(async () => expect(await consumer.status()).toMatchObject({ state: 'failed' }))
    isMended = true
    await consumer.start()
    await consumer.whenCaughtUp()
    expect(others(seen)).toHaveLength(20)
  })

  it.runIf(available())('lets the others wait where there is no room to park the slow subject', async () => {
    const { opened: end, open: go } = gate()
    const seen: number[] = []
    const { isCaughtUp } = await opened({
      maxParked: 1, async handler(event) {
        if (event.subject === 'slow') await end
        seen.push(numberOf(event))
        // So that there is time to look meanwhile.
        await sleep(2)
      },
    })
    await eventually(() => expect(seen.length).toBeGreaterThan(100))
    await sleep(1_000)
    expect(seen.length).toBeLessThan(FAST.length)
    go()
    await isCaughtUp()
    expect(inOrder(seen)).toEqual([1, 2, 3, 4, ...FAST])
  })

  it.runIf(available())('try the slow subject again that failed while there was no room to park it', async () => {
    const { opened: isFull, open: go } = gate()
    let isMended = false
    const seen: number[] = []
    const { store, isCaughtUp } = await opened({
      maxParked: 2, maxAttempts: 1, async handler(event) {
        if (event.subject === 'slow') await isFull
        if (!isMended && !event.subject.startsWith('fast')) throw new Error('not yet')
        seen.push(numberOf(event))
      },
    }, { others: ['dead:1', 'dead:2'] })
    await eventually(async () => expect((await store.deadLetters.list()).letters).toHaveLength(2))
    go()
    await eventually(() => expect(seen.length).toBeGreaterThan(100))
    // Long enough for its shard to be looked at with all that has overtaken it.
    await sleep(500)
    isMended = true
    await eventually(() => expect(seen).toEqual(expect.arrayContaining([1, 2, 3, 4, ...FAST])))
    expect(inOrder(seen)).toEqual([1, 2, 3, 4, ...FAST])
    for (const { id } of (await store.deadLetters.list()).letters) await store.deadLetters.requeue(id)
    await isCaughtUp()
  })
})
