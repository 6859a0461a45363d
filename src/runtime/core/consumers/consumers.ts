import type { Capability } from '../shared/types'
import { createConsumer } from './consumer'
import { checkConsumer } from './settings'
import type { ConsumeOptions, Consumer } from './types'
import type { WorkerParts } from './worker'

export interface Consumers extends Capability {
  consume(options: ConsumeOptions): Consumer
}

/** The consumers of one store. */
export function createConsumers(parts: WorkerParts): Consumers {
  const consumers = new Set<ReturnType<typeof createConsumer>>()
  return {
    consume(options) {
      const consumer = createConsumer(parts, checkConsumer(options))
      consumers.add(consumer)
      const { wake: _, ...calls } = consumer
      return calls
    },
    onAppend() {
      for (const consumer of consumers) consumer.wake()
    },
    async stop() {
      await Promise.all([...consumers].map(consumer => consumer.stop()))
    },
  }
}
