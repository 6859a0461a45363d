import type { Session } from '../db/types'
import { checkArray, checkCount, checkFunction, checkMilliseconds, checkName, checkOptions, checkStoredPosition, checkWord } from '../shared/checks'
import { StoreError, invalidValue } from '../shared/errors'
import { checkTopicFilter } from '../shared/topics'
import type { TopicCondition } from '../shared/topics'
import type { EventRecord } from '../shared/event'
import { checkTypes } from '../stream/read/range'
import { checkDebounce, checkLimits } from './flowSettings'
import type { DebounceSettings, Limit } from './flowSettings'
import { CONSUME_OPTIONS } from './types'
import type { ConsumedEvent, ConsumeOptions, ConsumerContext } from './types'

export const MAX_CONSUMER_BYTES = 200
const MAX_SHARDS = 1_024
const BACKOFF = { first: true, max: true } as const

export interface ConsumerSettings extends Required<Omit<ConsumeOptions, 'subjects' | 'types' | 'topics' | 'handler' | 'batchHandler' | 'backoff' | 'rateLimit' | 'concurrencyKey' | 'debounce'>> {
  subjects: string[] | undefined
  types: string[] | undefined
  topics: TopicCondition | undefined
  /** Of a relay: after it was registered, and before it begins to work. */
  onRegister?: () => Promise<void>
  /** When an event may be handled, by the clock of the database: its subject waits until then, and no attempt is counted. */
  dueAt?: (entry: { subject: string, event: EventRecord }) => number
  /** Done again and again beside the work, as long as that lasts. It never rejects. */
  beside?: { everyMs: number, run(stopping: AbortSignal): Promise<void> }
  /** Empty: every event is handled as soon as possible. */
  limits: Limit[]
  debounce: DebounceSettings | undefined
  /**
   * Of a projection: handles events in place of a handler, with the session that their transaction has open. Returns what
   * is written afterwards: what the database refuses there for a while is no failure of an event.
   */
  project?: (events: ConsumedEvent[], context: ConsumerContext, session: Session) => Promise<() => Promise<void>>
  handler: ConsumeOptions['handler']
  batchHandler: ConsumeOptions['batchHandler']
  backoff: { first: number, max: number }
}

/**
 * Checks what a consumer is given and fills in the defaults.
 * @throws {StoreError} INVALID_VALUE that names the option
 */
export function checkConsumer(given: ConsumeOptions): ConsumerSettings {
  const options = checkOptions('options', given, CONSUME_OPTIONS)
  const order = checkWord('options.order', options.order ?? 'subject', ['subject', 'global'])
  const onExhausted = checkWord('options.onExhausted', options.onExhausted ?? (order === 'global' ? 'block' : 'park'), ['park', 'skip', 'block', 'stop'])
  if (order === 'global' && onExhausted === 'park') {
    throw invalidValue('options.onExhausted', 'can\'t be \'park\' in global order, where no event may go ahead of another one: take \'skip\', \'block\' or \'stop\'')
  }
  const { handler, batchHandler } = options
  if ((handler === undefined) === (batchHandler === undefined)) throw invalidValue('options.handler', 'must be given, or batchHandler instead of it')
  checkFunction(handler ? 'options.handler' : 'options.batchHandler', handler ?? batchHandler)
  const leaseMs = checkMilliseconds('options.leaseMs', options.leaseMs ?? 30_000, 100)
  const backoff = checkOptions('options.backoff', options.backoff, BACKOFF)
  return {
    name: checkName('options.name', options.name, MAX_CONSUMER_BYTES),
    subjects: options.subjects === undefined ? undefined : checkArray('options.subjects', options.subjects).map((subject, at) => checkName(`options.subjects.${at}`, subject)),
    types: checkTypes('options.types', options.types),
    topics: checkTopicFilter('options.topics', options.topics),
    from: fromOf(options.from ?? 'start'),
    handler,
    batchHandler,
    order,
    transaction: checkWord('options.transaction', options.transaction ?? 'batch', ['each', 'batch', 'none']),
    batchSize: atLeastOne('options.batchSize', options.batchSize ?? 100),
    concurrency: atLeastOne('options.concurrency', options.concurrency ?? 1),
    maxAttempts: atLeastOne('options.maxAttempts', options.maxAttempts ?? 10),
    backoff: {
      first: checkMilliseconds('options.backoff.first', backoff.first ?? 1_000),
      max: checkMilliseconds('options.backoff.max', backoff.max ?? 60_000),
    },
    attemptTimeout: checkMilliseconds('options.attemptTimeout', options.attemptTimeout ?? 30_000),
    onExhausted,
    shards: shardCountOf(order, options.shards),
    leaseMs,
    limits: checkLimits(options, leaseMs),
    debounce: checkDebounce(options.debounce, order),
    maxParked: atLeastOne('options.maxParked', options.maxParked ?? 1_000),
    pollInterval: checkMilliseconds('options.pollInterval', options.pollInterval ?? 250, 1),
  }
}

export const fromOf = (from: string): string => from === 'start' || from === 'now' ? from : checkStoredPosition('options.from', from)

export function shardCountOf(order: 'subject' | 'global', given: number | undefined): number {
  const shards = atLeastOne('options.shards', given ?? (order === 'global' ? 1 : 32))
  if (shards > MAX_SHARDS) throw invalidValue('options.shards', `must be at most ${MAX_SHARDS}, not ${shards}`)
  if (order === 'global' && shards !== 1) throw invalidValue('options.shards', 'must be 1 in global order: one process at a time handles all events')
  return shards
}

export function atLeastOne(argument: string, value: unknown): number {
  const count = checkCount(argument, value)
  if (count === 0) throw invalidValue(argument, 'must be at least 1, not 0')
  return count
}

/** A consumer keeps the number of shards that it was made with: subjects would change their shard while they are handled. */
export function otherShards(name: string, stored: number, given: number): StoreError {
  return new StoreError('INVALID_OPTION', `consumer ${JSON.stringify(name)} has ${stored} shards, not ${given}: give \`shards: ${stored}\`, or another name`, {
    details: { consumer: name, shards: stored },
  })
}
