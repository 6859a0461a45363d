import type { Session } from '../db/types'
import { createBackoff } from '../shared/backoff'
import { StoreError } from '../shared/errors'
import { toJson } from '../shared/json'
import { MAX_MS } from '../shared/timer'
import type { StatementContext } from '../sql/template'
import { CutOff, HandlerFailure, describeError } from './attempt'
import { addDeadLetter, parkSubject } from './parkedSql'
import type { Parked } from './parkedSql'
import type { ParkedSubjects } from './parkedSubjects'
import type { Failed } from './results'
import type { ConsumerSettings } from './settings'
import type { Entry } from './shard'
import type { ConsumerWatch, FailedAttempt } from './watching'

/** The consumer ends at an event: `onExhausted: 'stop'`. No StoreError, which the transaction of a handler would take for a failure of it. */
export class Exhausted extends Error {
  constructor(readonly entry: FailedEntry, readonly attempts: number, override readonly cause: unknown) {
    super(`event ${entry.id} of ${JSON.stringify(entry.subject)} has failed for the last time`)
  }
}

/** What callers get to see of it. */
export function exhaustedError(consumer: string, { message, entry: { subject, id }, attempts, cause }: Exhausted): StoreError {
  return new StoreError('EXHAUSTED', `consumer ${JSON.stringify(consumer)} has stopped: ${message} (attempt ${attempts}); mend the cause, or dismiss the event, then start() it again: it goes on at this event`, {
    details: { consumer, subject, event: String(id), attempts }, cause: cause instanceof HandlerFailure ? cause.cause : cause,
  })
}

/** Too many subjects are parked: what fails is tried again with its shard. */
export class TooManyParked extends Error {
  constructor(override readonly cause: unknown) {
    super('too many subjects are parked')
  }
}

/** A failure of which nothing was written: what else was done of its unit is done. */
export const isRefusal = (error: unknown): boolean => error instanceof TooManyParked || error instanceof Exhausted

/** Nothing was written: the shard is as this process knows it, and what has overtaken the event is not handled again. */
export const isUnwritten = (error: unknown): boolean => isRefusal(error) || error instanceof CutOff

type FailedEntry = Pick<Entry, 'subject' | 'id' | 'event'>

/** What becomes of events that fail. */
export interface Failures {
  /**
   * Whether this was the last attempt.
   * @throws {Exhausted} when the consumer ends there
   */
  isLast(entry: FailedEntry, attempts: number, failed: Failed): boolean
  /** Milliseconds until the next attempt. */
  pauseAfter(attempts: number, failed: Failed): number
  /**
   * Writes down what becomes of an event that failed and is not parked yet. Returns what has to happen after the commit.
   * @throws {TooManyParked}
   */
  fail(session: Session, entry: Entry, attempts: number, failed: Failed): Promise<() => void>
  /** The row of a parked subject that waits for its next attempt, or for an operator. */
  parkedRow(entry: FailedEntry, shard: number, attempts: number, isDead: boolean, failed: Failed): Parked
  /** Milliseconds until an event may be handled; not above 0 where that is now. */
  waitOf(entry: Pick<Entry, 'event' | 'subject'>): number
  /** Counts and logs an attempt that has failed. */
  note(entry: FailedEntry, attempts: number, failed: Failed): void
  /** The same for an event that has become a dead letter, after the commit. */
  noteBuried(entry: FailedEntry, attempts: number, failed: Failed): void
  /** Keeps an event as a dead letter. */
  bury(session: Session, entry: FailedEntry, attempts: number, failed: Failed, state: 'parked' | 'skipped'): Promise<void>
}

interface FailuresOptions {
  context: StatementContext
  settings: ConsumerSettings
  parked: ParkedSubjects
  watch: ConsumerWatch
  /** Milliseconds since 1970 by the clock of the database. */
  now(): number
}

/** Milliseconds after so many attempts. */
export function pauseOf(backoff: ConsumerSettings['backoff'], attempts: number): number {
  const pauses = createBackoff({ ...backoff, jitter: [0.5, 1.5] })
  for (let at = 1; at < Math.min(attempts, 30); at++) pauses.next()
  return pauses.next()
}

export function createFailures({ context, settings, parked, watch, now }: FailuresOptions): Failures {
  const { name: consumer, maxAttempts, onExhausted, backoff } = settings

  function isLast(entry: FailedEntry, attempts: number, failed: Failed): boolean {
    const isLast = failed.isDead ?? attempts >= maxAttempts
    if (isLast && onExhausted === 'stop') throw new Exhausted(entry, attempts, failed.error)
    return isLast
  }

  const pauseAfter = (attempts: number, { after }: Failed): number => after ?? pauseOf(backoff, attempts)

  const parkedRow: Failures['parkedRow'] = ({ subject, id }, shard, attempts, isDead, failed) =>
    ({ subject, shard, fromId: id, attempts, delayMs: isDead ? undefined : pauseAfter(attempts, failed), error: describeError(failed.error), isLeftBehind: false })

  async function bury(session: Session, { subject, id, event }: FailedEntry, attempts: number, { error }: Failed, state: 'parked' | 'skipped'): Promise<void> {
    await session.query(addDeadLetter(context, { consumer, subject, eventId: id, event: JSON.stringify(toJson(event, 'event')), attempts, error: describeError(error), state }))
  }

  const toAttempt = ({ subject, id }: FailedEntry, attempts: number, { error }: Failed): FailedAttempt => ({ consumer, subject, eventId: String(id), attempts, error })
  const noteBuried: Failures['noteBuried'] = (...failure) => watch.buried(toAttempt(...failure))

  return {
    note: (...failure) => watch.failed(toAttempt(...failure)),
    noteBuried,
    waitOf: entry => settings.dueAt ? Math.min(settings.dueAt(entry) - now(), MAX_MS) : 0,
    isLast,
    pauseAfter,
    parkedRow,
    bury,
    async fail(session, entry, attempts, failed) {
      const last = isLast(entry, attempts, failed)
      if (last && onExhausted === 'skip') {
        await bury(session, entry, attempts, failed, 'skipped')
        return () => noteBuried(entry, attempts, failed)
      }
      if (!parked.get(entry.subject) && parked.size >= settings.maxParked) throw new TooManyParked(failed.error)
      const isDead = last && onExhausted === 'park'
      if (isDead) await bury(session, entry, attempts, failed, 'parked')
      const row = parkedRow(entry, entry.shard.shard, attempts, isDead, failed)
      await session.query(parkSubject(context, consumer, row))
      return () => {
        parked.set(row, entry.id)
        watch.count(consumer, 'parked')
        if (isDead) noteBuried(entry, attempts, failed)
      }
    },
  }
}
