import type { ConsumerCondition } from '../consumers/condition'
import type { HealthCheck, HealthOptions } from './types'

const STALE_MS = 60_000

export type ConsumerLimits = Pick<HealthOptions, 'consumerStaleMs' | 'consumerLagMs'>

/**
 * Checks the consumers of the database. None of this is `down`: calls work. No check where there are no consumers.
 */
export function consumersCheck(consumers: ConsumerCondition[], limits: ConsumerLimits): Record<string, HealthCheck> {
  if (consumers.length === 0) return {}
  const reasons = consumers.flatMap(consumer => reasonsOf(consumer, limits))
  return {
    consumers: {
      all: consumers.length,
      blocked: sumOf(consumers, 'blocked'),
      deadLetters: sumOf(consumers, 'deadLetters'),
      lagMs: Math.max(...consumers.map(({ lagMs }) => lagMs)),
      ...reasons.length === 0 ? { status: 'ok' } : { status: 'degraded', reason: reasons.join('; ') },
    },
  }
}

function reasonsOf(consumer: ConsumerCondition, { consumerStaleMs = STALE_MS, consumerLagMs = Infinity }: ConsumerLimits): string[] {
  const { name, lagMs, unattendedMs, blocked, gaveUp, isStuck } = consumer
  const of = `consumer ${JSON.stringify(name)}`
  const isStale = lagMs > 0 && unattendedMs > consumerStaleMs
  return [
    gaveUp && `${of} has stopped at an event that failed for the last time: mend the cause, or dismiss the event, then start() it again`,
    isStale && `events of ${of} wait, and no process has looked after all of them for ${seconds(unattendedMs)}: start it, or forget it with admin.consumers.remove()`,
    blocked > 0 && `${blocked} subjects of ${of} wait for an operator: requeue or delete their dead letters, once the cause is mended`,
    isStuck && `${of} tries an event again that has failed as often as maxAttempts says: mend the cause, or dismiss the event`,
    lagMs > consumerLagMs && `${of} is ${seconds(lagMs)} behind: add processes or raise its concurrency, unless its handler fails`,
  ].filter(reason => reason !== false)
}

const sumOf = (consumers: ConsumerCondition[], member: 'blocked' | 'deadLetters'): number => consumers.reduce((sum, consumer) => sum + consumer[member], 0)

const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`
