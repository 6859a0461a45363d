import { onTestFinished } from 'vitest'
import type { ConsumeOptions, Consumer, ConsumedEvent } from '../../src/runtime/core/consumers/types'
import type { Store } from '../../src/runtime/core/types'

/** Short pauses, so that a test does not wait. */
const QUICK = { pollInterval: 20, leaseMs: 1_000, backoff: { first: 10, max: 50 } }

/** A consumer that is stopped with its test. */
export function consumerOf(store: Store, options: ConsumeOptions): Consumer {
  const consumer = store.consume({ ...QUICK, ...options })
  onTestFinished(() => consumer.stop({ drainMs: 1_000 }))
  return consumer
}

export async function started(store: Store, options: ConsumeOptions): Promise<Consumer> {
  const consumer = consumerOf(store, options)
  await consumer.start()
  return consumer
}

/** Appends numbered events to a subject. */
export async function append(store: Store, subject: string, ...numbers: number[]): Promise<void> {
  for (const n of numbers) await store.stream.append(subject, { type: 'numbered', data: { n } })
}

export const numberOf = ({ data }: Pick<ConsumedEvent, 'data'>): number => (data as { n: number }).n

/** Something that a test opens later. */
export function gate(): { opened: Promise<void>, open(): void } {
  let open = () => {}
  const opened = new Promise<void>(resolve => (open = resolve))
  return { opened, open }
}
