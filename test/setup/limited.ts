/** Consumers that hold events back, of several subjects. */
import { expect } from 'vitest'
import type { ConsumeOptions, ConsumedEvent } from '../../src/runtime/core/consumers/types'
import type { Store } from '../../src/runtime/core/types'
import { append, numberOf, started } from './consumers'

export const HOUR = 3_600_000
export const SUBJECTS = ['a:1', 'a:2', 'b:1', 'b:2', 'c:1']
export const keyOf = ({ subject }: ConsumedEvent) => subject.split(':')[0]

/** Each subject gets so many events, of one after the other. */
export async function fill(store: Store, each: number, subjects = SUBJECTS): Promise<void> {
  for (let n = 0; n < each; n++) for (const subject of subjects) await append(store, subject, n)
}

export const MODES: [mode: string, options: Partial<ConsumeOptions>][] = [
  ['in batches', { transaction: 'batch', concurrency: 2 }],
  ['one by one', { transaction: 'each', concurrency: 4 }],
  ['without a transaction', { transaction: 'none', concurrency: 8 }],
  ['by a batchHandler', { batchSize: 6, concurrency: 2 }],
  ['in global order', { order: 'global' }],
  ['in global order by a batchHandler', { order: 'global', batchSize: 6 }],
]

/** Two members of a consumer, as two processes are, and what they have handled. */
export async function members(store: Store, mode: string, options: Partial<ConsumeOptions>, during: (event: ConsumedEvent) => Promise<void> = async () => {}) {
  const seen: ConsumedEvent[] = []
  const attempts = new Set<number>()
  const handler: ConsumeOptions['handler'] = async (event, { attempt }) => {
    attempts.add(attempt)
    await during(event)
    seen.push(event)
  }
  const batchHandler: ConsumeOptions['batchHandler'] = async (events, context) => {
    await Promise.all(events.map(event => handler(event, context)))
  }
  const given = { name: 'limited', leaseMs: 20_000, ...options, ...mode.includes('batchHandler') ? { batchHandler } : { handler } }
  const consumers = [await started(store, given), await started(store, given)]
  return { consumers, seen, attempts }
}

export function expectInOrder(seen: ConsumedEvent[], each: number, subjects = SUBJECTS): void {
  for (const subject of subjects) {
    expect(seen.filter(event => event.subject === subject).map(numberOf), subject).toEqual(Array.from({ length: each }, (_, n) => n))
  }
}
