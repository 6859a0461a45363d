import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { eventually } from '../../setup/eventually'
import type { EventRecord, GlobalEvent } from '../../../src/runtime/core/index'
import { expectRefused, streamKinds, unique, wrong } from './context'
import type { Use } from './context'

/** What `subscribe` does beyond nvent's contract: history, globs, iteration. */
export function streamFollowSuite(use: Use): void {
  describe.each(streamKinds)('stream.subscribe from a position ($kind)', ({ subjectOf }) => {
    it.each([['start', 0], ['a position', 2]] as const)('from %s gives history, then what comes, without hole or repeat', async (from, skipped) => {
      const { store: { stream }, P } = use()
      const subject = subjectOf(P)
      const history = await stream.appendMany(subject, Array.from({ length: 250 }, (_, data) => ({ type: 'old', data })))
      const seen: EventRecord[] = []
      const subscription = await stream.subscribe(subject, (event) => {
        seen.push(event)
      }, { from: from === 'start' ? from : history[skipped - 1]!.id })
      const live = []
      for (let data = 0; data < 20; data++) live.push(await stream.append(subject, { type: 'new', data }))
      await eventually(() => expect(seen.length).toBeGreaterThanOrEqual(history.length + live.length - skipped))
      expect(seen).toStrictEqual([...history.slice(skipped), ...live])
      await subscription.unsubscribe()
    })
  })

  describe('stream.subscribe to a glob', () => {
    it('gives history and what comes of every subject that matches, with the subject', async () => {
      const { store: { stream }, P } = use()
      const name = unique('glob')
      const subjects = [`orders:${name}:1`, `invoices:${name}:1`, `${P}:flow:run:${name}:1`]
      const expected: [string, EventRecord][] = []
      const append = async () => {
        for (const subject of subjects) expected.push([subject, await stream.append(subject, { type: 'wanted' })])
        await stream.append(`orders:${name}:2`, { type: 'unwanted' })
      }
      await append()
      const seen: [string, EventRecord][] = []
      const subscription = await stream.subscribe(`*:${name}:1`, (event, subject) => {
        seen.push([subject, event])
      }, { from: 'start' })
      await append()
      await eventually(() => expect(seen.length).toBeGreaterThanOrEqual(6))
      expect(seen).toStrictEqual(expected)
      await subscription.unsubscribe()
    })

    it('begins with what is appended from now on', async () => {
      const { stream } = use().store
      const name = unique('glob')
      await stream.append(`orders:${name}`, { type: 'before' })
      const seen: EventRecord[] = []
      const subscription = await stream.subscribe(`orders:${name}*`, event => seen.push(event))
      const after = [await stream.append(`orders:${name}`, { type: 'after' }), await stream.append(`orders:${name}:2`, { type: 'after' })]
      await eventually(() => expect(seen).toHaveLength(2))
      expect(seen).toStrictEqual(after)
      await subscription.unsubscribe()
    })
  })

  describe('stream.subscribe as an iterable', () => {
    it('gives events until the loop ends', async () => {
      const { stream } = use().store
      const subject = `orders:${unique()}`
      const old = await stream.append(subject, { type: 'old' })
      const seen: GlobalEvent[] = []
      let live: EventRecord | undefined
      for await (const event of stream.subscribe(subject, { from: 'start' })) {
        seen.push(event)
        live ??= await stream.append(subject, { type: 'new' })
        if (seen.length === 2) break
      }
      expect(seen).toStrictEqual([{ subject, event: old }, { subject, event: live }])
    })

    it('ends when its signal aborts, also while it waits', async () => {
      const { stream } = use().store
      const subject = `orders:${unique()}`
      await stream.append(subject, { type: 'old' })
      const abort = new AbortController()
      const seen: GlobalEvent[] = []
      for await (const event of stream.subscribe(subject, { from: 'start', signal: abort.signal })) {
        seen.push(event)
        setTimeout(() => abort.abort(), 20)
      }
      expect(seen).toHaveLength(1)
      for await (const event of stream.subscribe(subject, { from: 'start', signal: abort.signal })) seen.push(event)
      expect(seen).toHaveLength(1)
    })

    it('ends when the store is closed', async () => {
      const { store } = await use().openReady()
      await store.stream.append('orders:1', { type: 'old' })
      const seen: GlobalEvent[] = []
      for await (const event of store.stream.subscribe('orders:1', { from: 'start' })) {
        seen.push(event)
        setTimeout(() => void store.close(), 20)
      }
      expect(seen).toHaveLength(1)
    })

    it('waits for a reader that is slow, who misses nothing', async () => {
      const { stream } = use().store
      const subject = `orders:${unique()}`
      await stream.append(subject, { type: 'first', data: -1 })
      const seen: number[] = []
      for await (const { event } of stream.subscribe(subject, { from: 'start' })) {
        // Far more than one subscription keeps in memory.
        if (seen.length === 0) await stream.appendMany(subject, Array.from({ length: 1000 }, (_, data) => ({ type: 'many', data })))
        if (seen.length % 100 === 0) await sleep(2)
        seen.push(event.data)
        if (seen.length === 1001) break
      }
      expect(seen).toEqual(Array.from({ length: 1001 }, (_, at) => at - 1))
    })

    it('refuses a subject, a position or a signal that is none', async () => {
      const { stream } = use().store
      const first = (...parameters: unknown[]) => async () => {
        for await (const event of stream.subscribe(...parameters as [string])) return event
      }
      await expectRefused(first('', {}), 'subject')
      await expectRefused(first('orders:1', { from: 'yesterday' }), 'from')
      await expectRefused(first('orders:1', { signal: 'stop' }), 'signal')
      await expectRefused(() => stream.subscribe('orders:1', () => {}, { from: wrong({}) }), 'from')
    })
  })

  describe('stream.subscribe with a callback', () => {
    it('ends when its signal aborts', async () => {
      const { stream } = use().store
      const subject = `orders:${unique()}`
      const abort = new AbortController()
      const seen: unknown[] = []
      await stream.subscribe(subject, event => seen.push(event.data), { signal: abort.signal })
      await stream.append(subject, { type: 'a', data: 1 })
      await eventually(() => expect(seen).toEqual([1]))
      abort.abort()
      const others: unknown[] = []
      const other = await stream.subscribe(subject, event => others.push(event.data))
      await stream.append(subject, { type: 'a', data: 2 })
      await eventually(() => expect(others).toEqual([2]))
      expect(seen).toEqual([1])
      await other.unsubscribe()
    })
  })
}
