import { checkConsumer } from '../consumers/settings'
import type { ConsumerSettings } from '../consumers/settings'
import { effectsOf } from './buildsSql'
import type { ProjectionSettings } from './projectionSettings'

/** The consumer of the side effects of a projection, whichever of its builds serves; undefined: it has none. */
export function sideEffectsConsumer({ name, sideEffects, consumer }: ProjectionSettings): ConsumerSettings | undefined {
  if (!sideEffects) return undefined
  const { subjects, types, topics, leaseMs, pollInterval, attemptTimeout, maxAttempts, backoff } = consumer
  const checked = checkConsumer({
    name: effectsOf(name), transaction: 'none', from: 'now', leaseMs, pollInterval, attemptTimeout, maxAttempts, backoff,
    handler: (event, { attempt, signal }) => sideEffects(event, { projection: name, attempt, signal }),
  })
  return { ...checked, subjects, types, topics }
}
