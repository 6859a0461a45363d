import { randomUUID } from 'node:crypto'
import { checkMilliseconds, checkName, checkOptions } from '../shared/checks'
import type { EventRecord } from '../shared/event'
import { MAX_MS } from '../shared/timer'
import { checkTopics } from '../shared/topics'
import type { StreamOperations } from '../stream/types'
import { ENQUEUE_OPTIONS } from './types'
import type { OutboxWriter } from './types'

const MAX_KEY_BYTES = 512

/** Subjects of messages: one for each key, and one for each message without a key. */
export const outboxSubjects = (subjectPrefix: string) => ({ keyed: `${subjectPrefix}:outbox:key:`, single: `${subjectPrefix}:outbox:single:` })

/** When a message may be published, in milliseconds since 1970, by the clock of the process that enqueued it. */
const DUE_AT = 'outboxDueAt'

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
        ...wait > 0 && { [DUE_AT]: Date.now() + wait },
      }
      const { id } = await append(subject, event, { topics: checkTopics('options.topics', topics), ...meta !== undefined && { meta } })
      return { id }
    },
  }
}

/** Milliseconds until a message may be published; an operator who edits it may give any number. */
export const dueIn = (event: EventRecord): number => typeof event[DUE_AT] === 'number' ? Math.min(event[DUE_AT] - Date.now(), MAX_MS) : 0
