import { hasTopics } from '../shared/topics'
import type { StreamOperations } from '../stream/types'
import type { Handling } from './handling'
import type { Waiting } from './parkedSubjects'
import type { ConsumerSettings } from './settings'
import { ONE } from './shard'
import type { Shard } from './shard'

// Until the position of a shard is written.
const AGAIN_MS = 20

interface RetriesOptions extends Pick<Handling, 'again' | 'unpark'> {
  read: StreamOperations['read']
  settings: ConsumerSettings
  stopping: AbortSignal
}

/** Handles the events of a parked subject in their order, up to where its shard has passed them over. */
export function createRetries({ again, unpark, read, settings, stopping }: RetriesOptions) {
  return async function retry(shard: Shard, waiting: Waiting): Promise<void> {
    const upTo = waiting.passedTo > shard.position ? waiting.passedTo : shard.position
    for (let after = waiting.fromId - ONE; after < upTo;) {
      const page = await read(waiting.subject, { after: String(after), limit: settings.batchSize, types: settings.types ?? [] })
      for (const event of page) {
        if (BigInt(event.id) > upTo) break
        if (settings.topics && !hasTopics(event, settings.topics)) continue
        if (stopping.aborted || !await again(shard, waiting, event)) return
      }
      if (page.length < settings.batchSize) break
      after = BigInt(page.at(-1)!.id)
    }
    // The next holder reads from where the shard was saved, and must find the subject parked until it is behind this.
    // An entry of the subject that is under way was taken before it was parked, and will be passed over.
    const isUnderWay = shard.entries.some(({ subject, state }) => subject === waiting.subject && state === 'running')
    if (isUnderWay || waiting.passedTo > shard.saved || waiting.passedTo > upTo) {
      waiting.dueAt = performance.now() + AGAIN_MS
      return
    }
    waiting.isLeaving = true
    await unpark(shard, waiting).finally(() => (waiting.isLeaving = false))
  }
}
