import { describeError } from '../consumers/attempt'
import { pauseOf } from '../consumers/failures'
import { addDeadLetter } from '../consumers/parkedSql'
import { ONE } from '../consumers/shard'
import type { ConsumedEvent } from '../consumers/types'
import type { FailedAttempt } from '../consumers/watching'
import type { Row, Session } from '../db/types'
import { messageOf } from '../shared/errors'
import type { EventRecord } from '../shared/event'
import { toJson } from '../shared/json'
import { hasTopics } from '../shared/topics'
import type { StatementContext } from '../sql/template'
import { copyRecord } from '../tables/eventCodec'
import type { StreamOperations } from '../stream/types'
import type { PullDefinition } from './leaseChecks'
import { dropSubject, standSubject } from './sql'

const PAGE = 100
const NO_ERROR = '{}'

/** A subject with events that are leased or wait. Its row is locked by the transaction. */
export interface WaitingSubject {
  subject: string
  fromId: bigint
  leasedTo: bigint | undefined
  passedTo: bigint
  attempts: number
  /** What the worker gets in place of the event at `fromId`; null: it is dropped. */
  replacement: EventRecord | null | undefined
  isBlocked: boolean
}

export const toWaiting = (row: Row): WaitingSubject => ({
  subject: row.subject as string,
  fromId: BigInt(row.from_id as string),
  leasedTo: row.leased_to === null ? undefined : BigInt(row.leased_to as string),
  passedTo: BigInt(row.passed_to as string),
  attempts: Number(row.attempts),
  replacement: row.replacement === null ? undefined : JSON.parse(row.replacement as string) as EventRecord | null,
  isBlocked: row.blocked === true,
})

/** One transaction on the subjects of a consumer. */
export interface SubjectScope {
  context: StatementContext
  session: Session
  read: StreamOperations['read']
  consumer: string
  definition: PullDefinition
}

/** The next events of a subject that waits, as they are in the log by now. */
export async function nextEvents({ read, definition }: SubjectScope, waiting: WaitingSubject, limit: number): Promise<ConsumedEvent[]> {
  const { subject, fromId, passedTo, replacement } = waiting
  const { types = [], topics } = definition
  const events: ConsumedEvent[] = []
  for (let after = fromId - ONE; after < passedTo;) {
    const page = await read(subject, { after: String(after), limit: PAGE, types })
    for (const event of page) {
      const id = BigInt(event.id)
      if (id > passedTo) return events
      if (topics && !hasTopics(event, topics)) continue
      if (id === fromId && replacement === null) continue
      events.push(copyRecord(event, { ...id === fromId && replacement, subject }))
      if (events.length === limit) return events
    }
    if (page.length < PAGE) return events
    after = BigInt(page.at(-1)!.id)
  }
  return events
}

/** Lets a subject go on from an event; nothing of it is left when no event waits there. */
export async function goOn({ context, session, consumer }: SubjectScope, { subject, passedTo }: WaitingSubject, fromId: bigint): Promise<void> {
  const statement = fromId > passedTo
    ? dropSubject(context, { consumer, subject })
    : standSubject(context, { consumer, subject, fromId, attempts: 0, delayMs: 0, error: NO_ERROR })
  await session.query(statement)
}

export interface Failure {
  /** The event that failed: those before it are done. */
  fromId: bigint
  attempts: number
  /** What the worker says has failed. */
  error: unknown
  /** Milliseconds until the next attempt. Default: as the definition says. */
  after?: number | undefined
  /** No further attempt is wanted, whatever the definition says. */
  isBlocked?: boolean
}

/**
 * Writes down what becomes of an event that has failed, and of those behind it. Returns the attempt where it has become a
 * dead letter by it, to be told after the commit.
 */
export async function failEvent(scope: SubjectScope, waiting: WaitingSubject, { fromId, attempts, error, after, isBlocked = false }: Failure): Promise<FailedAttempt | undefined> {
  const { context, session, read, consumer, definition } = scope
  const { subject } = waiting
  const described = describeError(error)
  const [event] = await read(subject, { after: String(fromId - ONE), limit: 1 })
  // It was dismissed or deleted meanwhile.
  const isGone = event?.id !== String(fromId)
  if (isGone && !isBlocked) {
    await goOn(scope, waiting, fromId + ONE)
    return undefined
  }
  const { onExhausted, maxAttempts, backoff } = definition
  const isLast = isBlocked || (onExhausted !== 'block' && attempts >= maxAttempts)
  const isSkipped = isLast && !isBlocked && onExhausted === 'skip'
  if (isLast && !isGone) {
    await session.query(addDeadLetter(context, {
      consumer, subject, eventId: fromId, event: JSON.stringify(toJson(event, 'event')), attempts, error: described, state: isSkipped ? 'skipped' : 'parked',
    }))
  }
  if (isSkipped) await goOn(scope, waiting, fromId + ONE)
  else await session.query(standSubject(context, { consumer, subject, fromId, attempts, delayMs: isLast ? undefined : after ?? pauseOf(backoff, attempts), error: described }))
  return isLast && !isGone ? { consumer, subject, eventId: String(fromId), attempts, error } : undefined
}

/** What a worker says has failed: an error, or anything that came as JSON. */
export function toError(given: unknown): Error {
  if (given instanceof Error) return given
  // An object would be kept as "[object Object]".
  const message = typeof given === 'object' && given !== null ? JSON.stringify(toJson(given, 'options.error')) : messageOf(given)
  return errorAs('Error', given === undefined ? 'the worker gave no reason' : message)
}

/** Without a stack: it would be of this code. */
export const errorAs = (name: string, message: string): Error => Object.assign(new Error(message), { name, stack: undefined })
