/** Consumers that give events up, and the letters of those. */
import { expect, onTestFinished } from 'vitest'
import type { ConsumeOptions, ConsumedEvent, Consumer, DeadLetter, Store } from '../../src/runtime/core/index'
import { eventually } from './eventually'

/** A consumer that gives an event up at once, and is stopped with its test. */
export async function started(store: Store, options: Partial<ConsumeOptions>): Promise<Consumer> {
  const consumer = store.consume({ name: 'fulfilment', pollInterval: 20, leaseMs: 1_000, maxAttempts: 1, backoff: { first: 20, max: 100 }, ...options } as ConsumeOptions)
  await consumer.start()
  onTestFinished(() => consumer.stop())
  return consumer
}

/** Appends events of paid orders. */
export const append = async (store: Store, subject: string, ...data: unknown[]) => {
  for (const each of data) await store.stream.append(subject, { type: 'order.paid', data: each })
}

/** Fails for events whose data say so; notes all that it sees. */
export function poisoned() {
  const seen: unknown[] = []
  const handler = (event: ConsumedEvent) => {
    if (event.data.fails) throw Object.assign(new Error(String(event.data.fails)), { name: 'PoisonError' })
    seen.push([event.subject, event.data.n])
  }
  return { seen, handler }
}

/** Waits for so many letters of events that wait or were skipped. */
export const lettersOf = async (store: Store, count: number): Promise<DeadLetter[]> => eventually(async () => {
  const { letters } = await store.deadLetters.list()
  expect(letters.filter(({ state }) => state !== 'edited')).toHaveLength(count)
  return letters
})
