import { globMatcher, isGlob } from '../shared/glob'
import type { EventRecord } from '../shared/event'
import { hasTopics } from '../shared/topics'
import type { TopicCondition } from '../shared/topics'

/** Which events an inline projection handles, as it is registered; null: all. */
export type InlineFilter = [subjects: string[] | null, types: string[] | null, topics: TopicCondition | null]

export interface InlineMatcher {
  /** Without the topics, which are known once the event is appended. */
  mayWant(subject: string, type: string): boolean
  wants(subject: string, event: EventRecord): boolean
}

/** Matches as the statements do that read the log. */
export function inlineMatcher([subjects, types, topics]: InlineFilter): InlineMatcher {
  const exact = new Set(subjects?.filter(subject => !isGlob(subject)))
  const globs = (subjects ?? []).filter(isGlob).map(globMatcher)
  const isAll = subjects === null || subjects.includes('*')
  const wantedTypes = types && new Set(types)
  const mayWant = (subject: string, type: string) =>
    (!wantedTypes || wantedTypes.has(type)) && (isAll || exact.has(subject) || globs.some(matches => matches(subject)))
  return {
    mayWant,
    wants: (subject, event) => mayWant(subject, event.type) && (topics === null || hasTopics(event, topics)),
  }
}
