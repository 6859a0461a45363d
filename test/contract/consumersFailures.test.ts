/** What handlers may throw, return and do to their events: each of it is a failed attempt, and none holds up the others. */
import { getEventListeners } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { StoreError, versionOf } from '../../src/runtime/core/index'
import type { ConsumeOptions } from '../../src/runtime/core/consumers/types'
import { embeddedAndServer } from '../setup/backends'
import { append, gate, numberOf, started } from '../setup/consumers'
import { eventually } from '../setup/eventually'

const TRANSACTIONS = ['batch', 'none'] as const

const withMembers = (members: PropertyDescriptorMap) => Object.defineProperties(new Error('odd'), members)
const refuse = () => {
  throw new Error('not to be read')
}
const throwing = { get: refuse }

const THROWN: [what: string, thrown: unknown][] = [
  ['undefined', undefined],
  ['null', null],
  ['a symbol', Symbol('odd')],
  ['an object without a prototype', Object.create(null)],
  ['a getter that throws as message', withMembers({ message: throwing })],
  ['a getter that throws as name', withMembers({ name: throwing })],
  ['a getter that throws as stack', withMembers({ stack: throwing })],
  ['a symbol as message', withMembers({ message: { value: Symbol('odd') } })],
  ['an object as message', withMembers({ message: { value: { odd: true } } })],
  ['a bigint as name', withMembers({ name: { value: 1n } })],
  ['NUL in name, message and stack', withMembers({ name: { value: 'a\0b' }, message: { value: 'a\0b' }, stack: { value: 'a\0b' } })],
  ['half a character', withMembers({ name: { value: '\uD83D' }, message: { value: '\uDC00' } })],
  ['a message that is cut inside a character', new Error(`${'x'.repeat(1_999)}😀`)],
  ['a number as stack', withMembers({ stack: { value: 1 } })],
  ['a proxy that refuses everything', new Proxy({}, { get: refuse, getPrototypeOf: refuse })],
  ['a proxy of an error that refuses everything', new Proxy(new Error('odd'), { get: refuse })],
  ['a long message', new Error('x'.repeat(100_000))],
  ['the CLOSED of another store', new StoreError('CLOSED', 'the other store is closed')],
  ['the CONNECTION of another store', new StoreError('CONNECTION', 'the other store is away', { retryable: true })],
]

describe.each(embeddedAndServer)('consumers on $name, whose handler fails', ({ open, available }) => {
  it.runIf(available()).each(TRANSACTIONS)('park each subject, whatever is thrown: transaction %s', async (transaction) => {
    const { store } = await open()
    for (const [what] of THROWN) await append(store, what, 1)
    await append(store, 'well', 1)
    const seen: string[] = []
    const consumer = await started(store, {
      name: 'odd', transaction, maxAttempts: 1, handler({ subject }) {
        const odd = THROWN.find(([what]) => what === subject)
        if (odd) throw odd[1]
        seen.push(subject)
      },
    })
    await consumer.whenCaughtUp()
    const { letters } = await store.deadLetters.list()
    expect(letters.map(({ subject }) => subject).sort()).toEqual(THROWN.map(([what]) => what).sort())
    for (const { error } of letters) expect([typeof error.name, typeof error.message]).toEqual(['string', 'string'])
    expect(seen).toContain('well')
  })

  it.runIf(available()).each(['each', 'batch', 'none'] as const)('stop with an error that says what happened and what to do: transaction %s', async (transaction) => {
    const { store } = await open()
    await append(store, 'poison', 1)
    const [poison] = await store.stream.read('poison')
    const cause = new Error('poison')
    const options = { transaction, maxAttempts: 1, onExhausted: 'stop', handler: () => Promise.reject(cause) } as const
    const expected = { name: 'StoreError', code: 'EXHAUSTED', cause, details: { consumer: 'stops', subject: 'poison', event: poison!.id, attempts: 1 }, message: expect.stringMatching(/^consumer "stops" has stopped: event \d+ of "poison" has failed for the last time .*start\(\)/) as string }
    const consumer = await started(store, { name: 'stops', ...options })
    await expect(consumer.whenCaughtUp()).rejects.toMatchObject(expected)
    await expect(consumer.whenProcessed(poison!.id)).rejects.toMatchObject(expected)
    expect(await consumer.status()).toMatchObject({ state: 'failed', error: expected })
    const once = store.consume({ name: 'once', ...options, order: 'global' })
    await expect(once.runOnce()).rejects.toMatchObject({ code: 'EXHAUSTED', cause, details: { consumer: 'once', attempts: 1 } })
  })

  it.runIf(available()).each(TRANSACTIONS)('keep an event that is given up in global order as a dead letter of all its attempts: transaction %s', async (transaction) => {
    const { store } = await open()
    await append(store, 'poison', 1)
    await append(store, 'well', 1)
    const seen: string[] = []
    const consumer = await started(store, {
      name: 'skips', transaction, order: 'global', maxAttempts: 3, onExhausted: 'skip', backoff: { first: 1, max: 1 }, handler({ subject }, { attempt }) {
        seen.push(`${subject} ${attempt}`)
        if (subject === 'poison') throw new Error('poison')
      },
    })
    await consumer.whenCaughtUp()
    expect((await store.deadLetters.list()).letters).toMatchObject([{ subject: 'poison', state: 'skipped', attempts: 3 }])
    expect(seen.filter((call, at) => seen.indexOf(call) === at)).toEqual(['poison 1', 'poison 2', 'poison 3', 'well 1'])
  })

  const RESULTS: [what: string, result: unknown][] = [
    ['a number', 1], ['a word', 'fine'], ['too few', []], ['too many', ['done', 'done']], ['null', [null]], ['a hole', Array(1)],
    ['retry null', [{ retry: null }]], ['retry a word', [{ retry: 'soon' }]], ['after a word', [{ retry: { after: 'soon' } }]],
    ['after below 0', [{ retry: { after: -1 } }]], ['after without end', [{ retry: { after: Infinity } }]], ['after beyond all dates', [{ retry: { after: 1e300 } }]],
    ['dead without a reason', [{ dead: true }]], ['neither', [{}]],
    ['a getter that throws', [Object.defineProperty({}, 'dead', throwing)]],
  ]

  it.runIf(available()).each(TRANSACTIONS)('take odd results for failed attempts: transaction %s', async (transaction) => {
    const { store } = await open()
    for (const [what] of RESULTS) await append(store, what, 1)
    const consumer = await started(store, {
      name: 'odd', transaction, batchSize: 1, maxAttempts: 1, batchHandler: ([event]) => RESULTS.find(([what]) => what === event!.subject)![1],
    })
    await consumer.whenCaughtUp()
    const { letters } = await store.deadLetters.list()
    expect(letters.map(({ subject }) => subject).sort()).toEqual(RESULTS.map(([what]) => what).filter(what => what !== 'a hole').sort())
  })

  it.runIf(available()).each(TRANSACTIONS)('give every attempt an event whose version is known: transaction %s', async (transaction) => {
    const { store } = await open()
    await append(store, 'a', 1, 2)
    const seen: number[] = []
    const consumer = await started(store, {
      name: 'versions', transaction, async handler(event, { attempt, tx }) {
        seen.push(versionOf(event))
        if (numberOf(event) === 2 && attempt === 1) throw new Error('once')
        if (numberOf(event) === 2) await (transaction === 'none' ? store : tx).stream.append('a', { type: 'numbered', data: { n: 3 } }, { expectedVersion: versionOf(event) })
      },
    })
    await eventually(async () => expect(await consumer.status()).toMatchObject({ lag: 0, parked: 0 }))
    expect([seen[0], seen.at(-2), seen.at(-1)]).toEqual([1, 2, 3])
  })

  it.runIf(available()).each(TRANSACTIONS)('give every attempt, and the dead letter, the event as it is in the log: transaction %s', async (transaction) => {
    const { store } = await open()
    await append(store, 'a', 1)
    await append(store, 'b', 1)
    const seen: number[] = []
    const consumer = await started(store, {
      name: 'changing', transaction, maxAttempts: 3, handler(event) {
        seen.push(numberOf(event))
        ;(event.data as { n: number }).n = 99
        throw new Error('now and always')
      },
    })
    await eventually(async () => expect((await store.deadLetters.list()).letters).toHaveLength(2))
    await consumer.stop()
    expect(new Set(seen)).toEqual(new Set([1]))
    expect((await store.deadLetters.list()).letters.map(({ event }) => event.data)).toEqual([{ n: 1 }, { n: 1 }])
  })

  it.runIf(available()).each(TRANSACTIONS)('end an attempt that never ends, and let it write nothing later: transaction %s', async (transaction) => {
    const { store } = await open()
    await append(store, 'slow', 1)
    await append(store, 'well', 1)
    const late = gate()
    const refused: unknown[] = []
    const options: ConsumeOptions = {
      name: 'late', transaction, attemptTimeout: 100, maxAttempts: 1, async handler({ subject }, { tx, signal }) {
        if (subject !== 'slow') return
        await late.opened
        expect(signal.aborted).toBe(true)
        await Promise.resolve().then(() => tx.kv.set('late', 1)).catch((error: unknown) => refused.push(error))
      },
    }
    const consumer = await started(store, options)
    await consumer.whenCaughtUp()
    expect((await store.deadLetters.list()).letters).toMatchObject([{ subject: 'slow', error: { code: 'TIMEOUT' } }])
    late.open()
    await eventually(() => expect(refused.length).toBeGreaterThan(0))
    expect(refused[0]).toMatchObject({ code: 'INVALID_CALL' })
    expect(await store.kv.get('late')).toBeNull()
  })

  it.runIf(available()).each(['out of time', 'stopped'] as const)('begin no further event of a batch whose attempt has ended: %s', async (how) => {
    const { store } = await open()
    await append(store, 'orders:1', 1, 2, 3)
    const [first, late] = [gate(), gate()]
    const seen: number[] = []
    const consumer = await started(store, {
      name: 'late', attemptTimeout: how === 'stopped' ? 0 : 200, maxAttempts: 1, async handler(event) {
        seen.push(numberOf(event))
        first.open()
        // The first call returns when its attempt has ended.
        if (seen.length === 1) await late.opened
      },
    })
    await first.opened
    if (how === 'stopped') await consumer.stop({ drainMs: 0 })
    else await consumer.whenCaughtUp()
    const before = [...seen]
    late.open()
    for (let turn = 0; turn < 10; turn++) await nextTurn()
    expect(seen).toEqual(before)
    expect(seen).toEqual(how === 'stopped' ? [1] : [1, 1, 2, 3])
  })

  it.runIf(available())('keep nothing of a handler that goes on after the database refused a statement', async () => {
    const { store } = await open()
    await append(store, 'a', 1)
    await append(store, 'b', 1)
    const consumer = await started(store, {
      name: 'careless', maxAttempts: 2, async handler({ subject }, { tx }) {
        await tx.kv.set(subject, 1)
        if (subject === 'a') await tx.query('select 1 / 0').catch(() => {})
      },
    })
    await eventually(async () => expect((await store.deadLetters.list()).letters).toMatchObject([{ subject: 'a', attempts: 2 }]))
    await consumer.whenCaughtUp()
    expect(await store.kv.getMany(['a', 'b'])).toEqual([null, 1])
  })

  it.runIf(available())('leave nothing behind on the signal of an attempt', async () => {
    const { store } = await open()
    await append(store, 'a', 1, 2, 3)
    const signals: AbortSignal[] = []
    const consumer = await started(store, { name: 'signals', transaction: 'each', handler: (_, { signal }) => void signals.push(signal) })
    await consumer.whenCaughtUp()
    expect(signals).toHaveLength(3)
    for (const signal of signals) expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  it.runIf(available())('roll back what was written for an event alone that was not done', async () => {
    const { store } = await open()
    await append(store, 'a', 1)
    const consumer = await started(store, {
      name: 'again', batchSize: 1, async batchHandler([event], { tx, attempt }) {
        await tx.kv.increment(event!.subject)
        return [attempt < 3 ? { retry: {} } : 'done']
      },
    })
    await eventually(async () => expect(await consumer.status()).toMatchObject({ lag: 0, parked: 0 }))
    expect(await store.kv.get('a')).toBe(1)
  })

  it.runIf(available())('try all that is parked in turn, not the first of it again and again', async () => {
    const { store } = await open()
    for (const subject of ['a', 'b', 'c']) await append(store, subject, 1)
    const seen = new Set<string>()
    await started(store, {
      name: 'fair', backoff: { first: 0, max: 0 }, onExhausted: 'block', handler({ subject }, { attempt }) {
        if (attempt > 3) seen.add(subject)
        throw new Error('always')
      },
    })
    await eventually(() => expect([...seen].sort()).toEqual(['a', 'b', 'c']))
  })
})
