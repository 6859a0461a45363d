import { StoreError } from '../shared/errors'
import { isInside } from '../shared/inside'
import type { Capability } from '../shared/types'
import { createConsumersAdmin } from './admin'
import type { ConsumersAdmin } from './adminTypes'
import { readConditions } from './condition'
import type { ConsumerCondition, OwnCondition } from './condition'
import { createConsumer } from './consumer'
import type { ConsumerParts, OwnConsumer, Running } from './consumer'
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
  /** The condition of all consumers of the database. */
  conditions(): Promise<ConsumerCondition[]>
  /** What this process holds of those that are at work. */
  gauges(): Record<string, ConsumerGauge>
  /**
   * Refuses `close()` inside a handler, which it would wait for.
   * @throws {StoreError} INVALID_CALL
   */
  requireClosable(): void
  readonly apis: { consume(options: ConsumeOptions): Consumer, deadLetters: DeadLettersApi }
}

/** The consumers of one store. */
export function createConsumers(parts: ConsumerParts): Consumers {
  const atWork = new Set<Running>()
  // The last one of each name.
  const own = new Map<string, OwnConsumer & { settings: ConsumerSettings }>()
  const replay = createReplay({ ...parts, settingsOf: name => own.get(name)?.settings })

  function ownCondition(name: string): OwnCondition | undefined {
    const found = own.get(name)
    if (!found) return undefined
    const { onExhausted, maxAttempts } = found.settings
    const inOrder = [...atWork].filter(running => running.name === name).map(running => running.attempts())
    return { gaveUp: found.gaveUp(), isStuckAfter: attempts => onExhausted === 'block' && Math.max(attempts, ...inOrder) >= maxAttempts }
  }

  function register(checked: ConsumerSettings): Consumer {
    const created = createConsumer(parts, checked, atWork)
    own.set(checked.name, { ...created, settings: checked })
    return created.consumer
  }

  return {
    admin: createConsumersAdmin({ ...parts, use: parts.call }),
    register,
    conditions: () => readConditions(parts.context, parts.call, ownCondition),
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
    requireClosable() {
      if (isInside(parts.handlers)) throw new StoreError('INVALID_CALL', 'close() inside a handler of a consumer would wait for itself: call it when the handler has returned')
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
