import { hasTopics } from '../shared/topics'
import type { StreamOperations } from '../stream/types'
import type { Handling } from './handling'
import type { Debouncing } from './debounce'
import { Limited } from './limits'
import type { Limits } from './limits'
import type { ParkedSubjects, Waiting } from './parkedSubjects'
import type { ConsumerSettings } from './settings'
import { ONE } from './shard'
import type { Shard } from './shard'

// Until the position of a shard is written.
const AGAIN_MS = 20

interface RetriesOptions extends Pick<Handling, 'again' | 'later' | 'unpark'> {
  limits: Limits
  debounce: Debouncing
  read: StreamOperations['read']
  settings: ConsumerSettings
  stopping: AbortSignal
  parked: ParkedSubjects
}

/** Handles the events of a parked subject in their order, up to where its shard has passed them over. */
export function createRetries({ again, later, unpark, limits, debounce, read, settings, stopping, parked }: RetriesOptions) {
  /** Only this process is told that it waits: to write it down for each of many subjects would cost more than to ask again. */
  function wait(waiting: Waiting, line: string, ms: number): void {
    waiting.line = line
    parked.postpone(waiting, ms)
  }

  return async function retry(shard: Shard, waiting: Waiting): Promise<void> {
    const closedFor = waiting.line === undefined ? 0 : limits.closedFor(waiting.line)
    if (closedFor > 0) return wait(waiting, waiting.line!, closedFor)
    waiting.line = undefined
    const upTo = waiting.passedTo > shard.position ? waiting.passedTo : shard.position
    for (let after = waiting.fromId - ONE; after < upTo;) {
      const page = await read(waiting.subject, { after: String(after), limit: settings.batchSize, types: settings.types ?? [] })
      const events = page.filter(event => BigInt(event.id) <= upTo && (!settings.topics || hasTopics(event, settings.topics)))
      const waits = await debounce.waits(waiting.subject, events)
      for (const [at, event] of events.entries()) {
        // An operator has said what becomes of this event.
        const isReplaced = BigInt(event.id) === waiting.fromId && waiting.replacement !== undefined
        const waitMs = isReplaced ? 0 : waits[at]
        if (waitMs === undefined) continue
        if (stopping.aborted) return
        if (waitMs > 0) return later(shard, waiting, BigInt(event.id), waitMs)
        const isDone = await again(shard, waiting, event).catch(async (error: unknown) => {
          if (!(error instanceof Limited)) throw error
          // No slow handler is waited for any more.
          if (waiting.isLeftBehind) await later(shard, waiting, BigInt(event.id), error.delayMs)
          wait(waiting, error.line, error.delayMs)
        })
        if (!isDone) return
      }
      if (page.length < settings.batchSize) break
      after = BigInt(page.at(-1)!.id)
    }
    // The next holder reads from where the shard was saved, and must find the subject parked until it is behind this.
    // An entry of the subject that is under way was taken before it was parked, and will be passed over.
    const isUnderWay = shard.entries.some(({ subject, state }) => subject === waiting.subject && state === 'running')
    if (isUnderWay || waiting.passedTo > shard.saved || waiting.passedTo > upTo) {
      parked.postpone(waiting, AGAIN_MS)
      return
    }
    waiting.isLeaving = true
    await unpark(shard, waiting).finally(() => (waiting.isLeaving = false))
  }
}
