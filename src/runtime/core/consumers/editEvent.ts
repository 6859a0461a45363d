import { checkData, checkType } from '../shared/checks'
import { invalidValue } from '../shared/errors'
import type { EventRecord } from '../shared/event'
import { toJson } from '../shared/json'
import type { DeadLetter } from './deadLetterTypes'

/**
 * The event of a letter, or what replaced it before, with other members.
 * @throws {StoreError} INVALID_VALUE for what is no event, or stands elsewhere
 */
export function editEvent({ subject, event, replacement }: DeadLetter, given: unknown): EventRecord {
  const { subject: givenSubject, ...members } = toJson(checkData('options.event', given), 'options.event') as Record<string, unknown>
  const fixed = { subject: [givenSubject, subject], id: [members.id, event.id], ts: [members.ts, event.ts] }
  for (const [name, [given, kept]] of Object.entries(fixed)) {
    if (given !== undefined && given !== kept) throw invalidValue(`options.event.${name}`, `must stay ${JSON.stringify(kept)}: the event keeps its place in the log`)
  }
  if (members.type !== undefined) checkType('options.event.type', members.type)
  return { ...event, ...replacement, ...members }
}
