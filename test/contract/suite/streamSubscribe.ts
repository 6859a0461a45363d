import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { eventually } from '../../setup/eventually'
import type { EventRecord } from '../../../src/runtime/core/index'
import { expectRefused, streamKinds, unique, wrong } from './context'
import type { Use } from './context'

// A subscription polls: how soon it sees an event is no part of the contract, that it does is.

export function streamSubscribeSuite(use: Use): void {
  describe.each(streamKinds)('stream.subscribe ($kind)', ({ subjectOf }) => {
    it('gives every event appended after it resolved, in order, and none from before', async () => {
      const { store: { stream }, P } = use()
      const subject = subjectOf(P)
      await stream.append(subject, { type: 'before' })
      const seen: EventRecord[] = []
      const subscription = await stream.subscribe(subject, event => seen.push(event))
      expect(subscription).toMatchObject({ id: expect.any(String), subject })
      const appended: EventRecord[] = []
      for (let data = 0; data < 5; data++) appended.push(await stream.append(subject, { type: 'after', data }))
      await stream.append(subjectOf(P), { type: 'foreign' })
      await eventually(() => expect(seen).toHaveLength(5))
      expect(seen).toStrictEqual(appended)
      await subscription.unsubscribe()
    })

    it('starts on a subject that has no events yet', async () => {
      const { store: { stream }, P } = use()
      const subject = subjectOf(P)
      const seen: EventRecord[] = []
      const subscription = await stream.subscribe(subject, event => seen.push(event))
      const first = await stream.append(subject, { type: 'first' })
      await eventually(() => expect(seen).toStrictEqual([first]))
      await subscription.unsubscribe()
    })
  })

  describe('stream.subscribe', () => {
    it('runs one callback at a time and awaits what it returns', async () => {
      const { stream } = use().store
      const subject = `orders:${unique()}`
      let running = 0
      let most = 0
      const seen: number[] = []
      const subscription = await stream.subscribe(subject, async (event) => {
        most = Math.max(most, ++running)
        await sleep(5)
        seen.push(event.data)
        running--
      })
      await Promise.all([0, 1, 2, 3, 4, 5].map(data => stream.append(subject, { type: 'many', data })))
      await eventually(() => expect(seen).toHaveLength(6))
      expect(most).toBe(1)
      expect((await stream.read(subject)).map(event => event.data)).toStrictEqual(seen)
      await subscription.unsubscribe()
    })

    it.each([
      ['throws', () => { throw new RangeError('no more') }],
      ['rejects', async () => { throw new RangeError('no more') }],
    ])('ends when the callback %s, and tells onError', async (_, fail) => {
      const { stream } = use().store
      const subject = `orders:${unique()}`
      const errors: unknown[] = []
      const seen: unknown[] = []
      await stream.subscribe(subject, (event) => {
        seen.push(event.data)
        return event.data === 2 ? fail() : undefined
      }, { onError: error => errors.push(error) })
      for (const data of [1, 2, 3]) await stream.append(subject, { type: 'many', data })
      await eventually(() => expect(errors).toHaveLength(1))
      expect(errors[0]).toBeInstanceOf(RangeError)
      await afterNextPoll(use, subject)
      expect(seen).toStrictEqual([1, 2])
      expect(errors).toHaveLength(1)
    })

    it.each([
      ['throws', () => { throw new RangeError('not told') }],
      ['rejects', async () => { throw new RangeError('not told') }],
    ])('goes on, and the process too, when onError %s', async (_, fail) => {
      const { stream } = use().store
      const subject = `orders:${unique()}`
      const [unheard, seen]: [unknown[], unknown[]] = [[], []]
      const listener = (error: unknown) => unheard.push(error)
      process.on('unhandledRejection', listener)
      onTestFinished(() => void process.off('unhandledRejection', listener))
      const other = await stream.subscribe(subject, event => seen.push(event.data))
      let told = false
      await stream.subscribe(subject, () => fail(), {
        onError() {
          told = true
          return fail()
        },
      })
      await stream.append(subject, { type: 'many', data: 1 })
      await eventually(() => expect(told).toBe(true))
      await stream.append(subject, { type: 'many', data: 2 })
      await eventually(() => expect(seen).toStrictEqual([1, 2]))
      expect(unheard).toStrictEqual([])
      await other.unsubscribe()
    })

    it('gives nothing after unsubscribe, which waits for a callback that is running and may be called again', async () => {
      const { stream } = use().store
      const subject = `orders:${unique()}`
      let finished = false
      let started = false
      const seen: unknown[] = []
      const subscription = await stream.subscribe(subject, async (event) => {
        seen.push(event.data)
        started = true
        await sleep(30)
        finished = true
      })
      await stream.append(subject, { type: 'many', data: 1 })
      await eventually(() => expect(started).toBe(true))
      await subscription.unsubscribe()
      expect(finished).toBe(true)
      await subscription.unsubscribe()
      await stream.append(subject, { type: 'many', data: 2 })
      await afterNextPoll(use, subject)
      expect(seen).toStrictEqual([1])
    })

    it('may be ended by its own callback', async () => {
      const { stream } = use().store
      const subject = `orders:${unique()}`
      const seen: unknown[] = []
      const subscription = await stream.subscribe(subject, (event) => {
        seen.push(event.data)
        // Waiting for it here would be waiting for oneself.
        void subscription.unsubscribe()
      })
      for (const data of [1, 2]) await stream.append(subject, { type: 'many', data })
      await eventually(() => expect(seen).toHaveLength(1))
      await afterNextPoll(use, subject)
      expect(seen).toStrictEqual([1])
    })

    it('gives every subscription of a subject every event', async () => {
      const { stream } = use().store
      const subject = `orders:${unique()}`
      const seen: EventRecord[][] = [[], [], []]
      const subscriptions = await Promise.all(seen.map(list => stream.subscribe(subject, event => list.push(event))))
      expect(new Set(subscriptions.map(({ id }) => id)).size).toBe(3)
      const events = [await stream.append(subject, { type: 'a' }), await stream.append(subject, { type: 'b' })]
      await eventually(() => expect(seen).toStrictEqual([events, events, events]))
      await Promise.all(subscriptions.map(subscription => subscription.unsubscribe()))
    })

    it('sees events appended by its own callback', async () => {
      const { stream } = use().store
      const subject = `orders:${unique()}`
      const seen: number[] = []
      const subscription = await stream.subscribe(subject, async (event) => {
        seen.push(event.data)
        if (event.data < 3) await stream.append(subject, { type: 'chain', data: event.data + 1 })
      })
      await stream.append(subject, { type: 'chain', data: 0 })
      await eventually(() => expect(seen).toStrictEqual([0, 1, 2, 3]))
      await subscription.unsubscribe()
    })

    it('sees what a transaction appended once it has committed, and nothing of one that rolled back', async () => {
      const { store } = use()
      const subject = `orders:${unique()}`
      const seen: unknown[] = []
      const subscription = await store.stream.subscribe(subject, event => seen.push(event.data))
      await expect(store.transaction(async (tx) => {
        await tx.stream.append(subject, { type: 'a', data: 'rolled back' })
        throw new Error('changed my mind')
      })).rejects.toThrow('changed my mind')
      await store.transaction(tx => tx.stream.append(subject, { type: 'a', data: 'committed' }))
      await eventually(() => expect(seen).toStrictEqual(['committed']))
      await subscription.unsubscribe()
    })

    it('goes on after its subject was deleted', async () => {
      const { stream } = use().store
      const subject = `orders:${unique()}`
      const seen: unknown[] = []
      const subscription = await stream.subscribe(subject, event => seen.push(event.data))
      await stream.append(subject, { type: 'a', data: 1 })
      await eventually(() => expect(seen).toStrictEqual([1]))
      await stream.delete(subject)
      await stream.append(subject, { type: 'a', data: 2 })
      await eventually(() => expect(seen).toStrictEqual([1, 2]))
      await subscription.unsubscribe()
    })

    it('refuses a callback or an onError that is no function', async () => {
      const { stream } = use().store
      await expectRefused(() => stream.subscribe('orders:1', wrong(undefined)), 'onEvent')
      await expectRefused(() => stream.subscribe('orders:1', wrong('text')), 'onEvent')
      await expectRefused(() => stream.subscribe('orders:1', () => {}, { onError: wrong('text') }), 'onError')
    })

    it('ends when the store is closed, after the callback that is running', async () => {
      const { store } = await use().openReady()
      let started = false
      let finished = false
      await store.stream.subscribe('orders:1', async () => {
        started = true
        await sleep(30)
        finished = true
      })
      await store.stream.append('orders:1', { type: 'a' })
      await eventually(() => expect(started).toBe(true))
      await store.close()
      expect(finished).toBe(true)
    })
  })
}

/** A subscription that starts later has seen an event: an earlier one would have had its turn, too. */
async function afterNextPoll(use: Use, subject: string): Promise<void> {
  const { stream } = use().store
  let seen = false
  const subscription = await stream.subscribe(subject, () => {
    seen = true
  })
  await stream.append(subject, { type: 'probe', data: 'probe' })
  await eventually(() => expect(seen).toBe(true))
  await subscription.unsubscribe()
}
