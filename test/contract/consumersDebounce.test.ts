/** How consumers leave all events of a burst but the last: debounce, which holds for all processes together. */
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { Use } from '../../src/runtime/core/batch/operation'
import { createDebounce } from '../../src/runtime/core/consumers/debounce'
import { createParkedSubjects } from '../../src/runtime/core/consumers/parkedSubjects'
import { checkConsumer } from '../../src/runtime/core/consumers/settings'
import type { Entry } from '../../src/runtime/core/consumers/shard'
import type { ConsumeOptions, ConsumedEvent } from '../../src/runtime/core/consumers/types'
import type { Session } from '../../src/runtime/core/db/types'
import type { EventRecord } from '../../src/runtime/core/index'
import { namesOf } from '../../src/runtime/core/shared/identifier'
import { createStatementCache } from '../../src/runtime/core/sql/statement'
import type { Statement } from '../../src/runtime/core/sql/statement'
import type { Store } from '../../src/runtime/core/types'
import { embeddedAndServer } from '../setup/backends'
import { append, numberOf, started } from '../setup/consumers'
import { eventually } from '../setup/eventually'
import { HOUR, MODES, SUBJECTS, expectInOrder, fill, keyOf, members } from '../setup/limited'

async function dismissLast(store: Store, subject: string): Promise<void> {
  const [event] = await store.stream.read(subject, { order: 'desc', limit: 1 })
  expect(await store.stream.dismiss(event!.id, { reason: 'a mistake', by: 'test' })).toBe(true)
}

describe.each(embeddedAndServer)('debounce of consumers on $name', ({ open, available }) => {
  // Global order refuses it.
  it.runIf(available()).each(MODES.slice(0, 4))('hands only the last event of each subject to the handler, %s', async (mode, options) => {
    const { store } = await open()
    await fill(store, 4)
    const { consumers, seen, attempts } = await members(store, mode, { ...options, concurrency: 1, batchSize: 100, debounce: { ms: 300 } })
    await eventually(async () => expect(await consumers[0]!.status()).toMatchObject({ lag: 0, parked: 0 }))
    expect(seen.map(event => [event.subject, numberOf(event)]).sort()).toEqual(SUBJECTS.map(subject => [subject, 3]))
    expect([...attempts]).toEqual([1])
    // What comes later is another burst.
    await fill(store, 2)
    await eventually(() => expect(seen.length).toBeGreaterThanOrEqual(10))
    await eventually(async () => expect(await consumers[0]!.status()).toMatchObject({ lag: 0, parked: 0 }))
    for (const subject of SUBJECTS) expect(seen.findLast(event => event.subject === subject), subject).toMatchObject({ data: { n: 1 } })
  })

  it.runIf(available())('hands only the last event of each key to the handler, whichever subject it is of', async () => {
    const { store } = await open()
    await fill(store, 4)
    const seen: ConsumedEvent[] = []
    const consumer = await started(store, {
      name: 'keyed', debounce: { ms: 300, key: event => keyOf(event) === 'c' ? undefined : keyOf(event) }, handler: event => void seen.push(event),
    })
    await eventually(async () => expect(await consumer.status()).toMatchObject({ lag: 0, parked: 0 }))
    expect(seen.filter(event => keyOf(event) !== 'c').map(event => [event.subject, numberOf(event)]).sort()).toEqual([['a:2', 3], ['b:2', 3]])
    // An event without a key does not wait.
    expectInOrder(seen, 4, ['c:1'])
  })

  it.runIf(available())('waits for as long as events come, and no longer than maxMs', async () => {
    const { store } = await open()
    const seen: number[] = []
    const handler = (event: ConsumedEvent) => void seen.push(numberOf(event))
    const quiet = await started(store, { name: 'quiet', debounce: { ms: HOUR }, subjects: ['a'], handler })
    await append(store, 'a', 1, 2)
    await quiet.whenCaughtUp()
    await sleep(200)
    expect(seen).toEqual([])
    const endless = await started(store, { name: 'endless', debounce: { ms: 400, maxMs: 600 }, subjects: ['b'], handler })
    // One comes before the last one has been quiet for long enough, again and again.
    for (let n = 10; seen.length === 0; n++) await append(store, 'b', n)
    await eventually(async () => expect(await endless.status()).toMatchObject({ lag: 0, parked: 0 }))
    expect(seen.every(n => n >= 10)).toBe(true)
  })

  it.runIf(available())('survives the end of its process', async () => {
    const { store } = await open()
    const seen: ConsumedEvent[] = []
    const options: ConsumeOptions = { name: 'again', debounce: { ms: 500 }, handler: event => void seen.push(event) }
    const first = await started(store, options)
    await fill(store, 3)
    await first.whenCaughtUp()
    await first.stop()
    seen.length = 0
    const second = await started(store, options)
    await fill(store, 4)
    await eventually(async () => expect(await second.status()).toMatchObject({ lag: 0, parked: 0 }))
    for (const subject of SUBJECTS) expect(seen.findLast(event => event.subject === subject), subject).toMatchObject({ data: { n: 3 } })
    expect(seen.length).toBeLessThan(SUBJECTS.length * 7)
  })

  const GONE: [how: string, isKeyed: boolean, remove: (store: Store, group: string) => Promise<unknown>, last: [subject: string, n: number]][] = [
    ['the newest is dismissed', false, (store, group) => dismissLast(store, `${group}:1`), ['1', 1]],
    ['the two newest are dismissed', false, async (store, group) => [await dismissLast(store, `${group}:1`), await dismissLast(store, `${group}:1`)], ['1', 0]],
    ['the newest of several subjects is dismissed', true, (store, group) => dismissLast(store, `${group}:3`), ['2', 2]],
    ['the stream of the newest is deleted', true, (store, group) => store.stream.delete(`${group}:3`), ['2', 2]],
    ['the streams of the newest are deleted', true, async (store, group) => [await store.stream.delete(`${group}:3`), await store.stream.delete(`${group}:2`)], ['1', 2]],
  ]

  it.runIf(available())('hands the last event that is still in the log to the handler', async () => {
    const { store } = await open()
    // Side by side: each is held back for as long as the removal may take.
    await Promise.all(GONE.map(async ([how, isKeyed, remove, [subject, n]], at) => {
      const group = `group-${at}`
      const seen: ConsumedEvent[] = []
      await fill(store, 3, (isKeyed ? ['1', '2', '3'] : ['1']).map(name => `${group}:${name}`))
      const consumer = await started(store, {
        name: group, subjects: [`${group}:*`], debounce: { ms: 3_000, ...isKeyed && { key: keyOf } }, handler: event => void seen.push(event),
      })
      await consumer.whenCaughtUp()
      await remove(store, group)
      expect(seen, how).toEqual([])
      await eventually(async () => expect(await consumer.status()).toMatchObject({ lag: 0, parked: 0 }))
      expect(seen.map(event => [event.subject, numberOf(event)]), how).toEqual([[`${group}:${subject}`, n]])
    }))
  })

  it.runIf(available())('is asked for once, unless the newest event of a key may be gone', async () => {
    const { store } = await open()
    const statements: string[] = []
    const named = (text: string) => /with newest/.test(text) ? 'replace' : 'read'
    const use: Use = work => store.transaction(async (tx) => {
      const query: Session['query'] = (statement) => {
        statements.push(named(statement.text))
        return tx.query(statement.text, statement.values) as never
      }
      return work({ query } as Session, undefined as never)
    })
    const context = { names: namesOf('public', 'nvent'), cache: createStatementCache(false), tenant: '' }
    const settings = checkConsumer({ name: 'asks', debounce: { ms: 1 }, handler: () => {} })
    const debounce = createDebounce({ context, use, settings, parked: createParkedSubjects() })
    await append(store, 'a', 0, 1, 2)
    const events = await store.stream.read('a')
    const unit = events.map(event => ({ subject: 'a', id: BigInt(event.id), event, shard: { shard: 0 } }) as Entry)
    await use(session => debounce.arrive(session, unit))
    const ask = async (asked: EventRecord[]) => {
      statements.length = 0
      return debounce.waits('a', asked)
    }
    // The newest one has just been read.
    await eventually(async () => expect(await ask(events)).toEqual([undefined, undefined, 0]))
    expect(statements).toEqual(['read'])
    // It is in the log, or not: of one that is not given nothing is known.
    expect(await ask(events.slice(0, 2))).toEqual([undefined, undefined])
    expect(statements).toEqual(['read', 'replace', 'read'])
    await dismissLast(store, 'a')
    await eventually(async () => expect(await ask(events.slice(0, 2))).toEqual([undefined, 0]))
    await ask(events.slice(0, 2))
    expect(statements).toEqual(['read'])
    // One that is back takes the place of those before it.
    await ask(events)
    expect(statements).toEqual(['read', 'replace', 'read'])
    await use(session => debounce.end(session, unit[2]!))
    expect(await ask(events)).toEqual([undefined, undefined, 0])
    expect(statements).toEqual(['read'])
  })

  it.runIf(available())('counts maxMs from the first event of each burst', async () => {
    const { store, sql } = await open()
    const use: Use = work => store.transaction(tx => work({ query: ({ text, values }: Statement) => tx.query(text, values) } as unknown as Session, undefined as never))
    const context = { names: namesOf('public', 'nvent'), cache: createStatementCache(false), tenant: '' }
    const settings = checkConsumer({ name: 'bursts', debounce: { ms: HOUR, maxMs: HOUR }, handler: () => {} })
    const debounce = createDebounce({ context, use, settings, parked: createParkedSubjects() })
    await append(store, 'a', 0, 1, 2)
    const events = await store.stream.read('a')
    const [first, second, third] = events.map(event => ({ subject: 'a', id: BigInt(event.id), event, shard: { shard: 0 } }) as Entry)
    const arrive = (entry: Entry) => use(session => debounce.arrive(session, [entry]))
    const goBack = () => sql('update nvent_consumer_debounced set first_at = first_at - interval \'2 hours\'')
    await arrive(first!)
    await goBack()
    await use(session => debounce.end(session, first!))
    await arrive(second!)
    expect((await debounce.waits('a', [events[1]!]))[0]).toBeGreaterThan(0)
    // One of the same burst changes nothing of it.
    await goBack()
    await arrive(third!)
    expect(await debounce.waits('a', [events[2]!])).toEqual([0])
  })

  it.runIf(available())('leaves the last event to further attempts, until a newer one takes its place', async () => {
    const { store } = await open()
    const calls: [number, number][] = []
    const consumer = await started(store, {
      name: 'failing', maxAttempts: 10_000, debounce: { ms: 50 }, rateLimit: { limit: 100, perMs: 10 }, async handler(event, { attempt }) {
        calls.push([numberOf(event), attempt])
        if (numberOf(event) === 1) throw new Error('poison')
      },
    })
    await append(store, 'a', 1)
    await eventually(() => expect(calls).toContainEqual([1, 2]))
    await append(store, 'a', 2)
    await eventually(async () => expect(await consumer.status()).toMatchObject({ lag: 0, parked: 0 }))
    expect(calls.at(-1)).toEqual([2, 1])
    expect((await store.deadLetters.list()).letters).toEqual([])
  })

  it.runIf(available())('goes on when more subjects wait than may be parked', async () => {
    const { store } = await open()
    await fill(store, 2)
    const { consumers, seen } = await members(store, '', { debounce: { ms: 50 }, maxParked: 2 })
    await eventually(async () => expect(await consumers[0]!.status()).toMatchObject({ lag: 0, parked: 0 }))
    for (const subject of SUBJECTS) expect(seen.findLast(event => event.subject === subject), subject).toMatchObject({ data: { n: 1 } })
  })

  it.runIf(available())('refuses global order, and fails an event whose key function throws', async () => {
    const { store } = await open()
    expect(() => store.consume({ name: 'refused', handler: () => {}, order: 'global', debounce: { ms: 1 } })).toThrowError(/options\.debounce.*global order/)
    await append(store, 'a', 1)
    await started(store, {
      name: 'keys', maxAttempts: 2, handler: () => {}, debounce: {
        ms: 10, key() {
          throw new Error('poison')
        },
      },
    })
    await eventually(async () => expect((await store.deadLetters.list()).letters).toMatchObject([{ subject: 'a', attempts: 2 }]))
  })
})
