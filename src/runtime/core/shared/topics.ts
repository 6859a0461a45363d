import { checkArray, checkName, checkOptions, checkWord } from './checks'
import { invalidValue } from './errors'
import type { EventRecord } from './event'

const MAX_TOPICS = 100
const MAX_TOPIC_BYTES = 200

/**
 * Which events are wanted: with `include` those that have one of the topics, with `all` those that have each of them,
 * with `exclude` those that have none of them.
 */
export interface TopicFilter {
  mode: 'include' | 'exclude' | 'all'
  topics: string[]
}

/** `any`: those that have a topic, whichever. */
export type TopicCondition = TopicFilter | { mode: 'any' }

const TOPIC_FILTER = { mode: true, topics: true } as const

/** Names of topics without repeats. */
export function checkTopics(argument: string, value: unknown): string[] {
  const topics = checkArray(argument, value)
  if (topics.length === 0 || topics.length > MAX_TOPICS) throw invalidValue(argument, `must have 1 to ${MAX_TOPICS} topics, not ${topics.length}`)
  return [...new Set(topics.map((topic, at) => checkName(`${argument}.${at}`, topic, MAX_TOPIC_BYTES)))]
}

/** A list of topics is short for `include`. */
export function checkTopicFilter(argument: string, value: unknown): TopicFilter | undefined {
  if (value === undefined) return undefined
  if (Array.isArray(value)) return { mode: 'include', topics: checkTopics(argument, value) }
  const { mode, topics } = checkOptions<Partial<TopicFilter>>(argument, value, TOPIC_FILTER)
  return { mode: checkWord(`${argument}.mode`, mode, ['include', 'exclude', 'all']), topics: checkTopics(`${argument}.topics`, topics) }
}

/** The topics of an event; none where `meta.topics` is something of the caller's own. */
export function topicsOf({ meta }: Pick<EventRecord, 'meta'>): string[] {
  const topics: unknown = meta?.topics
  return Array.isArray(topics) ? topics.filter(topic => typeof topic === 'string') : []
}

/** Whether an event is wanted: the same as the condition in SQL says. */
export function hasTopics(event: Pick<EventRecord, 'meta'>, wanted: TopicCondition): boolean {
  const own = new Set(topicsOf(event))
  if (wanted.mode === 'any') return own.size > 0
  const has = (topic: string) => own.has(topic)
  if (wanted.mode === 'all') return wanted.topics.every(has)
  return wanted.topics.some(has) === (wanted.mode === 'include')
}
