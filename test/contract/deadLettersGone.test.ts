/** Letters of events that are not in the log any more. */
import { describe, expect, it } from 'vitest'
import type { DeadLetter, Store } from '../../src/runtime/core/index'
import { embeddedAndServer } from '../setup/backends'
import { append, lettersOf, poisoned, started } from '../setup/deadLetters'
import { eventually } from '../setup/eventually'

describe.each(embeddedAndServer)('dead letters on $name', ({ open, available }) => {
  const GONE: [how: string, remove: (store: Store, letter: DeadLetter) => Promise<unknown>, left: unknown[]][] = [
    ['was dismissed', async (store, { event }) => store.stream.dismiss(event.id, { reason: 'a mistake', by: 'test' }), [2, 3]],
    ['was truncated', async (store, { subject }) => store.stream.truncateBefore(subject, 2), [2, 3]],
    ['was deleted with its stream', async (store, { subject }) => store.stream.delete(subject), [3]],
  ]

  describe.each(GONE)('whose event %s', (_, remove, left) => {
    it.runIf(available()).each(['plain', 'edited before'])('are not handled, nor is an event in their place, and the later ones go on: %s', async (which) => {
      const { store } = await open()
      await append(store, 'orders:1', { n: 1, fails: 'poison' }, { n: 2 })
      const { seen, handler } = poisoned()
      await started(store, { handler })
      let [letter] = await lettersOf(store, 1)
      if (which !== 'plain') {
        await store.deadLetters.requeue(letter!.id, { event: { data: { fails: 'still poison' } } })
        letter = await eventually(async () => {
          const found = await store.deadLetters.get(letter!.id)
          expect(found).toMatchObject({ state: 'parked', replacement: { data: { fails: 'still poison' } } })
          return found!
        })
      }
      expect(await remove(store, letter!)).toBeTruthy()
      const event = { data: { n: 'mended' } }
      const isRefused = expect.objectContaining({ code: 'INVALID_CALL', message: expect.stringContaining('dismissed or deleted') as string }) as Error
      await expect(store.deadLetters.requeue(letter!.id, { event })).rejects.toEqual(isRefused)
      await expect(store.deadLetters.preview(letter!.id, { event })).rejects.toEqual(isRefused)
      expect(await store.deadLetters.get(letter!.id)).toEqual(letter)
      expect(await store.deadLetters.preview(letter!.id)).toMatchObject({ handled: left.length - 1, failed: null })
      await append(store, 'orders:1', { n: 3 })
      seen.length = 0
      expect(await store.deadLetters.requeue(letter!.id)).toBe(true)
      await eventually(() => expect(seen).toEqual(left.map(n => ['orders:1', n])))
      expect(await store.deadLetters.get(letter!.id)).toBeNull()
    })

    it.runIf(available())('go with those that are requeued by filter', async () => {
      const { store } = await open()
      await append(store, 'orders:1', { n: 1, fails: 'poison' })
      const consumer = await started(store, { handler: poisoned().handler })
      const [letter] = await lettersOf(store, 1)
      await store.deadLetters.requeue(letter!.id, { event: { data: { fails: 'still poison' } } })
      await lettersOf(store, 1)
      await remove(store, letter!)
      expect(await store.deadLetters.requeueRange()).toBe(1)
      expect(await store.deadLetters.get(letter!.id)).toBeNull()
      await eventually(async () => expect(await consumer.status()).toMatchObject({ parked: 0 }))
    })
  })
})
