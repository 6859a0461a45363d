/** What a handler of one event may return: what becomes of the event, or anything by chance. */
import { describe, expect, it } from 'vitest'
import type { ConsumeOptions } from '../../src/runtime/core/consumers/types'
import { embeddedAndServer } from '../setup/backends'
import { append, numberOf, started } from '../setup/consumers'
import { eventually } from '../setup/eventually'

const MODES: [what: string, options: Pick<ConsumeOptions, 'transaction' | 'order' | 'onExhausted'>][] = [
  ['in batches', { transaction: 'batch' }],
  ['one by one', { transaction: 'each' }],
  ['without a transaction', { transaction: 'none' }],
  ['in global order', { order: 'global', onExhausted: 'skip' }],
  ['in global order without a transaction', { order: 'global', onExhausted: 'skip', transaction: 'none' }],
]

class Result {
  dead = 'of a class'
}

const BY_CHANCE: [what: string, result: unknown][] = [
  ['nothing', undefined], ['null', null], ['a number', 1], ['a word', 'dead'], ['done', 'done'], ['true', true], ['a symbol', Symbol('dead')], ['nothing inside', {}],
  ['another member', { ok: true }], ['a further member', { dead: 'why', status: 200 }], ['a symbol as further member', { retry: {}, [Symbol('odd')]: 1 }],
  ['an inherited member', Object.create({ dead: 'why' })], ['an object of a class', new Result()], ['an error', Object.assign(new Error('returned'), { dead: 'why' })],
  ['a list', [{ dead: 'why' }]], ['a function', Object.assign(() => {}, { dead: 'why' })], ['a map', Object.assign(new Map(), { retry: {} })],
]

const WRONG: [what: string, result: unknown][] = [
  ['dead true', { dead: true }], ['dead undefined', { dead: undefined }], ['dead an error', { dead: new Error('why') }], ['retry true', { retry: true }], ['retry null', { retry: null }],
  ['retry a number', { retry: 5_000 }], ['after a word', { retry: { after: 'soon' } }], ['after below 0', { retry: { after: -1 } }], ['after without end', { retry: { after: Infinity } }],
  ['a getter that throws', Object.defineProperty({}, 'dead', {
    get() {
      throw new Error('not to be read')
    },
  })],
]

describe.each(embeddedAndServer)('the result of a handler on $name', ({ open, available }) => {
  it.runIf(available()).each(MODES)('keeps nothing of an event that is not done, and ends a dead one: %s', async (_, options) => {
    const { store } = await open()
    const { order } = options
    for (const subject of ['dead', 'again', 'well']) await append(store, subject, 1, 2)
    const seen: string[] = []
    const consumer = await started(store, {
      name: 'results', ...options, maxAttempts: 5, async handler(event, { tx, attempt }) {
        seen.push(`${event.subject} ${numberOf(event)}`)
        if (options.transaction !== 'none') await tx.kv.increment(`${event.subject}:${numberOf(event)}`)
        if (event.subject === 'dead' && numberOf(event) === 1) return { dead: 'no such order, password=hunter2' }
        if (event.subject === 'again' && attempt < 3) return { retry: { after: 1 } }
        return 'done'
      },
    })
    await eventually(async () => expect(await consumer.status()).toMatchObject({ lag: 0, parked: order === 'global' ? 0 : 1 }))
    const { letters } = await store.deadLetters.list()
    expect(letters).toMatchObject([{ subject: 'dead', attempts: 1, error: { message: 'no such order, password=***' }, state: order === 'global' ? 'skipped' : 'parked' }])
    const isDone = { 'dead:1': null, 'dead:2': order === 'global' ? 1 : null, 'again:1': 1, 'again:2': 1, 'well:1': 1, 'well:2': 1 }
    if (options.transaction !== 'none') expect(await store.kv.getMany(Object.keys(isDone))).toEqual(Object.values(isDone))
    expect(seen.includes('dead 2')).toBe(order === 'global')
    // No later event of a subject goes ahead of one that is not done.
    expect(seen.lastIndexOf('again 1')).toBeLessThan(seen.indexOf('again 2'))
  })

  it.runIf(available())('keeps what was written for the other subjects of a batch, which are not handled again', async () => {
    const { store } = await open()
    for (const subject of ['a', 'dead', 'z']) await append(store, subject, 1)
    const seen: string[] = []
    const consumer = await started(store, { name: 'split', shards: 1, handler: ({ subject }) => {
      seen.push(subject)
      return subject === 'dead' ? { dead: 'why' } : seen.length
    } })
    await consumer.whenCaughtUp()
    expect(seen.sort()).toEqual(['a', 'dead', 'z'])
    expect((await store.deadLetters.list()).letters).toMatchObject([{ subject: 'dead' }])
  })

  it.runIf(available()).each(['retry', 'dead'] as const)('holds for the further attempts of a parked event, and for its letter: %s', async (kind) => {
    const { store } = await open()
    await append(store, 'a', 1, 2)
    let isBroken = true
    const seen: number[] = []
    const consumer = await started(store, { name: 'parked', maxAttempts: 3, handler(event) {
      seen.push(numberOf(event))
      if (isBroken) return kind === 'dead' ? { dead: 'why' } : { retry: { after: 0 } }
    } })
    const letters = async () => (await store.deadLetters.list()).letters
    await eventually(async () => expect(await letters()).toMatchObject([{ attempts: kind === 'dead' ? 1 : 3 }]))
    const { id } = (await letters())[0]!
    expect(await store.deadLetters.preview(id)).toMatchObject({ handled: 0, failed: { error: { message: kind === 'dead' ? 'why' : 'the handler wants to try again' } } })
    isBroken = false
    expect(seen).not.toContain(2)
    await store.deadLetters.requeue(id)
    await eventually(async () => expect(await consumer.status()).toMatchObject({ lag: 0, parked: 0 }))
    expect(seen.at(-1)).toBe(2)
  })

  it.runIf(available()).each(MODES)('is done, whatever else is returned, and failed where dead or retry is not what it must be: %s', async (_, options) => {
    const { store } = await open()
    const all = [...BY_CHANCE, ...WRONG]
    for (const [what] of all) await append(store, what, 1)
    const consumer = await started(store, { name: 'odd', ...options, maxAttempts: 1, handler: ({ subject }) => all.find(([what]) => what === subject)![1] })
    await consumer.whenCaughtUp()
    const { letters } = await store.deadLetters.list()
    expect(letters.map(({ subject }) => subject).sort()).toEqual(WRONG.map(([what]) => what).sort())
  })

  it.runIf(available())('is of no meaning for a relay', async () => {
    const { store } = await open()
    await store.outbox.enqueue(1, { topics: ['mail'] })
    let calls = 0
    const relay = store.outbox.relay({ publish: () => ({ dead: `why ${++calls}` }) as never })
    expect(await relay.runOnce()).toEqual({ handled: 1, caughtUp: true })
    expect([calls, (await store.deadLetters.list()).letters]).toEqual([1, []])
  })
})
