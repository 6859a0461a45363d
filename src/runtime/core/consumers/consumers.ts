import type { Capability } from '../shared/types'
import { createConsumersAdmin } from './admin'
import type { ConsumersAdmin } from './adminTypes'
import { createConsumer } from './consumer'
import type { ConsumerParts, Running } from './consumer'
import { createDeadLetters } from './deadLetters'
import { checkConsumer } from './settings'
import type { ConsumerSettings } from './settings'
import type { DeadLettersApi } from './deadLetterTypes'
import type { ConsumeOptions, Consumer } from './types'
import { createReplay } from './replay'

export interface Consumers extends Capability {
  readonly admin: ConsumersAdmin
  /** Makes a consumer that takes part in wakes, and ends with the store. */
  register(settings: ConsumerSettings): Consumer
  readonly apis: { consume(options: ConsumeOptions): Consumer, deadLetters: DeadLettersApi }
}

/** The consumers of one store. */
export function createConsumers(parts: ConsumerParts): Consumers {
  const atWork = new Set<Running>()
  // The last one of each name.
  const settings = new Map<string, ConsumerSettings>()
  const replay = createReplay({ ...parts, settingsOf: name => settings.get(name) })

  function register(checked: ConsumerSettings): Consumer {
    settings.set(checked.name, checked)
    return createConsumer(parts, checked, atWork)
  }

  return {
    admin: createConsumersAdmin({ ...parts, use: parts.call }),
    register,
    apis: {
      deadLetters: createDeadLetters({ context: parts.context, use: parts.call, replay }),
      consume: options => register(checkConsumer(options)),
    },
    onAppend() {
      for (const consumer of atWork) consumer.wake()
    },
    async stop() {
      await Promise.all([...atWork].map(consumer => consumer.stop()))
    },
  }
}
