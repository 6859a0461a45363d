import { randomUUID } from 'node:crypto'
import { checkMilliseconds, checkName, checkOptions } from '../shared/checks'
import type { EventRecord } from '../shared/event'
import { checkTopics } from '../shared/topics'
import type { StreamOperations } from '../stream/types'
import { ENQUEUE_OPTIONS } from './types'
import type { OutboxWriter } from './types'

const MAX_KEY_BYTES = 512

/** Subjects of messages: one for each key, and one for each message without a key. */
export const outboxSubjects = (subjectPrefix: string) => ({ keyed: `${subjectPrefix}:outbox:key:`, single: `${subjectPrefix}:outbox:single:` })

/** How long after its `ts`, both by the clock of the database, a message may be published at the earliest. */
const DELAY = 'outboxDelayMs'

/** Messages are events of subjects of their own: whatever holds for events holds for them. */
export function createOutboxWriter(append: StreamOperations['append'], subjectPrefix: string): OutboxWriter {
  const subjects = outboxSubjects(subjectPrefix)
  return {
    async enqueue(message, given) {
      const { topics, key, delayMs, type, meta } = checkOptions('options', given, ENQUEUE_OPTIONS)
      const wait = delayMs === undefined ? 0 : checkMilliseconds('options.delayMs', delayMs)
      const subject = key === undefined ? subjects.single + randomUUID() : subjects.keyed + checkName('options.key', key, MAX_KEY_BYTES)
      const event = {
        type: type === undefined ? 'message' : checkName('options.type', type),
        data: message === undefined ? null : message,
        ...wait > 0 && { [DELAY]: wait },
      }
      const { id } = await append(subject, event, { topics: checkTopics('options.topics', topics), ...meta !== undefined && { meta } })
      return { id }
    },
  }
}

/** When a message may be published; 0: at once. */
export const dueAt = ({ ts, [DELAY]: delay }: EventRecord): number => typeof delay === 'number' ? ts + delay : 0
