import type { Capability } from '../shared/types'
import { createConsumer } from './consumer'
import type { ConsumerParts } from './consumer'
import { createDeadLetters } from './deadLetters'
import { checkConsumer } from './settings'
import type { ConsumeOptions, Consumer, DeadLettersApi } from './types'

export interface Consumers extends Capability {
  readonly apis: { consume(options: ConsumeOptions): Consumer, deadLetters: DeadLettersApi }
}

/** The consumers of one store. */
export function createConsumers(parts: ConsumerParts): Consumers {
  const consumers = new Set<ReturnType<typeof createConsumer>>()
  return {
    apis: {
      deadLetters: createDeadLetters({ context: parts.context, use: parts.call }),
      consume(options) {
        const consumer = createConsumer(parts, checkConsumer(options))
        consumers.add(consumer)
        const { wake: _, ...calls } = consumer
        return calls
      },
    },
    onAppend() {
      for (const consumer of consumers) consumer.wake()
    },
    async stop() {
      await Promise.all([...consumers].map(consumer => consumer.stop()))
    },
  }
}
