import type { Use } from '../batch/operation'
import type { Session } from '../db/types'
import { copyRecord } from '../tables/eventCodec'
import type { StatementContext } from '../sql/template'
import type { RunHandler } from './callHandler'
import type { Debouncing } from './debounce'
import type { Failures } from './failures'
import { Fenced, requireHeld } from './lease'
import { moveParked, unparkSubject, waitingRow } from './parkedSql'
import type { Parked } from './parkedSql'
import type { ParkedSubjects, Waiting } from './parkedSubjects'
import { Undone, failureOf, toFailed } from './results'
import type { ConsumerSettings } from './settings'
import { ONE } from './shard'
import type { Entry, Shard } from './shard'

export interface ParkedHandling {
  /** Makes a further attempt at the first event of a parked subject. Returns whether the next one may follow. */
  again(shard: Shard, waiting: Waiting, event: Entry['event']): Promise<boolean>
  /** Leaves a parked subject to wait for one of its events, which may not be handled yet. */
  later(shard: Shard, waiting: Waiting, id: bigint, delayMs: number): Promise<void>
  /** Lets a parked subject go on with its shard. */
  unpark(shard: Shard, waiting: Waiting): Promise<void>
}

interface ParkedHandlingOptions {
  context: StatementContext
  use: Use
  settings: ConsumerSettings
  parked: ParkedSubjects
  debounce: Debouncing
  failures: Failures
  run: RunHandler
  /** Returns whether the event is still in the log. */
  readAgain(entry: Pick<Entry, 'subject' | 'id' | 'event'>): Promise<boolean>
  /** Counts events whose handler went well. */
  count(handled: number): void
}

/** Handles the events of parked subjects, one by one. */
export function createParkedHandling({ context, use, settings, parked, debounce, failures, run, readAgain, count }: ParkedHandlingOptions): ParkedHandling {
  const { name: consumer, onExhausted } = settings

  /** Lets a parked subject go on behind an event. */
  async function moveOn(session: Session, shard: Shard, from: bigint, next: Parked, entry: Pick<Entry, 'event' | 'subject'>): Promise<void> {
    await move(session, shard, from, next)
    await debounce.end(session, entry)
  }

  async function move(session: Session, shard: Shard, from: bigint, row: Parked): Promise<void> {
    await requireHeld(context, session, consumer, [shard])
    const moved = await session.query(moveParked(context, consumer, from, row))
    if (moved.count === 0) throw new Fenced()
  }

  async function later(shard: Shard, { subject, fromId, replacement }: Waiting, id: bigint, delayMs: number): Promise<void> {
    const row = waitingRow({ subject, shard: shard.shard, fromId: id, delayMs })
    await use(session => session.atomic(inside => move(inside, shard, fromId, row)))
    parked.set(id === fromId ? { ...row, replacement } : row)
  }

  async function again(shard: Shard, waiting: Waiting, event: Entry['event']): Promise<boolean> {
    const { subject, fromId } = waiting
    const id = BigInt(event.id)
    const entry = { subject, id, event }
    const wait = failures.waitOf(entry)
    if (wait > 0) {
      await later(shard, waiting, id, wait)
      return false
    }
    // The one that failed before may have been dismissed since.
    const attempts = id === fromId ? waiting.attempts + 1 : 1
    const next = waitingRow({ subject, shard: shard.shard, fromId: id + ONE, delayMs: 0, isLeftBehind: waiting.isLeftBehind })
    const replacement = id === fromId ? waiting.replacement : undefined
    if (replacement === null) {
      await use(session => session.atomic(inside => moveOn(inside, shard, fromId, next, entry)))
      parked.set(next)
      return true
    }
    const failed = await run([{ subject, event: copyRecord(event, replacement) }], [shard], attempts, ([result]) => {
      const failed = toFailed(result)
      if (failed) throw new Undone(failed)
      return session => moveOn(session, shard, fromId, next, entry)
    }).then(() => undefined, failureOf)
    if (!failed) {
      count(1)
      parked.set(next)
      return true
    }
    failures.note(entry, attempts, failed)
    await readAgain(entry)
    const isLast = failures.isLast(entry, attempts, failed)
    const isSkipped = isLast && onExhausted === 'skip'
    const row = isSkipped ? next : failures.parkedRow(entry, shard.shard, attempts, isLast && onExhausted === 'park', failed)
    await use(session => session.atomic(async (inside) => {
      if (isLast && onExhausted !== 'block') await failures.bury(inside, entry, attempts, failed, isSkipped ? 'skipped' : 'parked')
      if (isSkipped) return moveOn(inside, shard, fromId, next, entry)
      await move(inside, shard, fromId, row)
    }))
    if (isLast && onExhausted !== 'block') failures.noteBuried(entry, attempts, failed)
    // What replaces an event replaces no other one.
    parked.set({ ...row, replacement: isSkipped ? undefined : replacement })
    return isSkipped
  }

  async function unpark(shard: Shard, { subject, fromId }: Waiting): Promise<void> {
    await use(session => session.atomic(async (inside) => {
      await requireHeld(context, inside, consumer, [shard])
      const gone = await inside.query(unparkSubject(context, consumer, subject, fromId))
      if (gone.count === 0) throw new Fenced()
    }))
    parked.delete(subject)
  }

  return { again, later, unpark }
}
