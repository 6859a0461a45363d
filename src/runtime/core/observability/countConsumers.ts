import type { ConsumerWatch } from '../consumers/watching'
import type { FailedAttempts } from './failedAttempts'
import type { Metrics } from './metrics'
import { countCall, countError } from './metrics'
import { isTraced, traced } from './trace'

// Topics are given by the app. Further ones share a label, so that the metrics stay small whatever is in them.
const MOST_TOPICS = 100
const OTHER_TOPICS = 'OTHER'

/** Counts and traces the work of consumers, by their names, and tells of what fails. */
export function createConsumerWatch(metrics: Metrics, { failed, buried }: Pick<FailedAttempts, 'failed' | 'buried'>): ConsumerWatch {
  const { topics } = metrics.counts.outbox

  function topicOf(topic: string): { published: number, failed: number } {
    const name = Object.hasOwn(topics, topic) || Object.keys(topics).length < MOST_TOPICS ? topic : OTHER_TOPICS
    if (!Object.hasOwn(topics, name)) topics[name] = { published: 0, failed: 0 }
    return topics[name]!
  }

  return {
    count(consumer, counted, by = 1) {
      metrics.consumer(consumer)[counted] += by
    },
    failed(attempt) {
      metrics.consumer(attempt.consumer).failed++
      failed(attempt)
    },
    buried(attempt) {
      metrics.consumer(attempt.consumer).deadLetters++
      buried(attempt)
    },
    async handler({ consumer, transaction }, run) {
      const { handler } = metrics.consumer(consumer)
      const since = performance.now()
      handler.active++
      try {
        return await (isTraced() ? traced({ operation: 'consumer.handle', table: undefined, transaction, consumer }, run) : run())
      }
      catch (error) {
        countError(handler, error)
        throw error
      }
      finally {
        handler.active--
        countCall(handler, performance.now() - since)
      }
    },
    relayed(topics, outcome) {
      for (const topic of topics) topicOf(topic)[outcome]++
    },
  }
}
