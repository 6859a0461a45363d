/** What becomes of events that are dismissed, truncated, archived or deleted before a consumer handles them. */
import { describe, expect, it } from 'vitest'
import type { Store } from '../../src/runtime/core/types'
import { embeddedAndServer } from '../setup/backends'
import { append, gate, numberOf, started } from '../setup/consumers'
import { eventually } from '../setup/eventually'

/** What is left of the events 1, 2 and 3 of a subject. */
const CHANGES: [what: string, change: (store: Store, subject: string) => Promise<unknown>, left: number[]][] = [
  ['truncated', async (store, subject) => store.stream.truncateBefore(subject, 2), [2, 3]],
  ['archived', (store, subject) => store.stream.archive(subject), []],
  ['deleted', (store, subject) => store.stream.delete(subject), []],
]

describe.each(embeddedAndServer)('consumers on $name, whose events go away', ({ open, available }) => {
  it.runIf(available()).each(CHANGES)('handle what is left of a subject that was %s before they came to it', async (_, change, left) => {
    const { store } = await open()
    await append(store, 'a', 1, 2, 3)
    await change(store, 'a')
    await append(store, 'b', 1)
    const seen: [string, number][] = []
    const consumer = await started(store, { name: 'pending', handler: event => void seen.push([event.subject, numberOf(event)]) })
    await consumer.whenCaughtUp()
    expect(seen).toEqual([...left.map(n => ['a', n]), ['b', 1]])
  })

  it.runIf(available()).each(CHANGES)('go on behind what is left of a parked subject that was %s', async (_, change, left) => {
    const { store } = await open()
    await append(store, 'a', 1, 2, 3)
    let isPoison = true
    let attempts = 0
    const seen: number[] = []
    const consumer = await started(store, {
      name: 'parked', maxAttempts: 1_000, backoff: { first: 20, max: 20 }, handler(event) {
        attempts++
        if (isPoison) throw new Error('poison')
        seen.push(numberOf(event))
      },
    })
    await eventually(async () => expect(await consumer.status()).toMatchObject({ parked: 1, lag: 0 }))
    await change(store, 'a')
    if (left.length > 0) {
      // The first of them may have read its event before.
      const before = attempts
      await eventually(() => expect(attempts).toBeGreaterThan(before + 1))
      isPoison = false
    }
    await eventually(async () => expect(await consumer.status()).toMatchObject({ parked: 0, lag: 0 }))
    expect(seen).toEqual(left)
  })

  it.runIf(available())('begin to count attempts again with the event behind one that is gone', async () => {
    const { store } = await open()
    await append(store, 'a', 1, 2)
    const attempts: number[][] = []
    const consumer = await started(store, {
      name: 'counting', maxAttempts: 3, handler(event, { attempt }) {
        attempts.push([numberOf(event), attempt])
        throw new Error('poison')
      },
    })
    await eventually(async () => expect((await store.deadLetters.list()).letters).toMatchObject([{ event: { data: { n: 1 } }, attempts: 3 }]))
    await store.stream.truncateBefore('a', 2)
    expect(await store.deadLetters.requeue((await store.deadLetters.list()).letters[0]!.id)).toBe(true)
    await eventually(async () => expect((await store.deadLetters.list()).letters).toMatchObject([{ event: { data: { n: 2 } }, attempts: 3 }]))
    expect(attempts.filter(([n]) => n === 2)).toEqual([[2, 1], [2, 2], [2, 3]])
    expect(await consumer.status()).toMatchObject({ parked: 1 })
  })

  it.runIf(available())('leave an event that global order waits for once it is gone', async () => {
    const { store } = await open()
    await append(store, 'a', 1)
    await append(store, 'b', 2)
    const failed = gate()
    const seen: number[] = []
    const consumer = await started(store, {
      name: 'global', order: 'global', handler(event) {
        if (event.subject === 'b') return void seen.push(numberOf(event))
        failed.open()
        throw new Error('poison')
      },
    })
    await failed.opened
    await store.stream.delete('a')
    await consumer.whenCaughtUp()
    expect(seen).toEqual([2])
  })

  it.runIf(available())('handle what their handler appends to the subject of its event, behind it', async () => {
    const { store } = await open()
    await append(store, 'a', 1, 2)
    const seen: number[] = []
    const consumer = await started(store, {
      name: 'itself', async handler(event, { tx }) {
        seen.push(numberOf(event))
        if (numberOf(event) < 3) await tx.stream.append('a', { type: 'numbered', data: { n: numberOf(event) + 2 } })
      },
    })
    await eventually(async () => expect((await store.stream.read('a')).length).toBe(4))
    await consumer.whenCaughtUp()
    expect(seen).toEqual([1, 2, 3, 4])
  })
})
