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
import type { ConsumerGauge } from './watching'

export interface Consumers extends Capability {
  readonly admin: ConsumersAdmin
  /** Makes a consumer that takes part in wakes, and ends with the store. */
  register(settings: ConsumerSettings): Consumer
  /** What this process holds of those that are at work. */
  gauges(): Record<string, ConsumerGauge>
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
    gauges() {
      const gauges: Record<string, ConsumerGauge> = Object.create(null)
      for (const { name, gauge } of atWork) {
        const { shards, lag } = gauge()
        const other = gauges[name]
        gauges[name] = { shards: shards + (other?.shards ?? 0), lag: Math.max(lag ?? -1, other?.lag ?? -1) }
        if (gauges[name].lag === -1) gauges[name].lag = null
      }
      return gauges
    },
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
