import { setTimeout as sleep } from 'node:timers/promises'
import type { Session } from '../db/types'
import { HandlerFailure } from './attempt'
import { createCalls } from './callHandler'
import type { CallsOptions } from './callHandler'
import { createFailures } from './failures'
import { Fenced, requireHeld, toCheckpoint } from './lease'
import { moveParked, parkSubject, unparkSubject } from './parkedSql'
import type { Parked } from './parkedSql'
import type { ParkedSubjects, Waiting } from './parkedSubjects'
import { Undone, failureOf, toFailed, undoneOf } from './results'
import type { Failed } from './results'
import { passOver } from './schedule'
import { ONE, lastOf } from './shard'
import type { Entry, Shard, Unit } from './shard'
import { moveShards } from './sql'
import type { StreamOperations } from '../stream/types'

export interface HandlingOptions extends CallsOptions {
  parked: ParkedSubjects
  read: StreamOperations['read']
}

export interface Handling {
  /** Events whose handler went well. */
  readonly handled: number
  /** Handles a unit of work, and marks as done what is handled, parked or given up. */
  handle(unit: Unit): Promise<void>
  /** Makes a further attempt at the first event of a parked subject. Returns whether the next one may follow. */
  again(shard: Shard, waiting: Waiting, event: Entry['event']): Promise<boolean>
  /** Lets a parked subject go on with its shard. */
  unpark(shard: Shard, waiting: Waiting): Promise<void>
}

export function createHandling(options: HandlingOptions): Handling {
  const { context, use, read, settings, parked, killed, stopping } = options
  const { name: consumer, transaction, onExhausted, order } = settings
  const failures = createFailures({ context, settings, parked })
  const run = createCalls(options)
  const isTransactional = transaction !== 'none'
  let handled = 0

  /** Moves the shards behind a unit. Without a transaction the positions are written later, for many units at once. */
  async function save(session: Session, last: Map<Shard, bigint>): Promise<void> {
    if (!isTransactional) return requireHeld(context, session, consumer, last.keys())
    const checkpoints = [...last].map(([shard, id]) => toCheckpoint(shard, id))
    const { count } = await session.query(moveShards(context, { consumer, checkpoints }))
    if (count < checkpoints.length) throw new Fenced()
  }

  function finish(unit: Unit, last: Map<Shard, bigint>): void {
    if (isTransactional) for (const [shard, id] of last) shard.saved = id
    for (const entry of unit) entry.state = 'done'
  }

  async function handle(unit: Unit): Promise<void> {
    if (unit.some(failures.isEarly)) return oneByOne(unit, entry => failures.isEarly(entry) ? postpone(entry) : handle([entry]))
    if (order === 'global' && unit.length === 1) return repeat(unit[0]!)
    const last = lastOf(unit)
    let done = 0
    let after: (() => void)[] = []
    try {
      await run(unit, last.keys(), 1, async (session, results) => {
        after = []
        const undone = undoneOf(unit, results)
        // Alone, nothing that was written for it is kept.
        if (unit.length === 1 && undone.size > 0) throw new Undone(undone.get(unit[0]!)!)
        if (undone.size > 0 && !canSplit(unit, undone)) throw new HandlerFailure(new Error('some events of the batch were not done'))
        for (const [entry, failed] of undone) after.push(await failures.fail(session, entry, 1, failed))
        if (isTransactional || undone.size > 0) await save(session, last)
        done = unit.length - undone.size
      })
    }
    catch (error) {
      const failed = failureOf(error)
      if (unit.length === 1) return park(unit[0]!, failed)
      // So that only the event that fails is held back.
      return oneByOne(unit, async entry => await readAgain(entry) ? handle([entry]) : void (entry.state = 'done'))
    }
    after.forEach(done => done())
    handled += done
    finish(unit, last)
  }

  /** Whether what was done of a batch can be kept: not when it was behind an event of its subject that was not done. */
  function canSplit(unit: Unit, undone: Map<Entry, Failed>): boolean {
    if (order === 'global') return false
    return [...undone.keys()].every(({ subject, id }) => unit.every(entry => entry.subject !== subject || entry.id <= id))
  }

  /** A handler may have changed the event it was given, and an operator the log. Returns whether it is there. */
  async function readAgain(entry: Pick<Entry, 'subject' | 'id' | 'event'>): Promise<boolean> {
    const [event] = await read(entry.subject, { after: String(entry.id - ONE), limit: 1 })
    if (event === undefined || BigInt(event.id) !== entry.id) return false
    entry.event = event
    return true
  }

  async function oneByOne(unit: Unit, one: (entry: Entry) => Promise<void>): Promise<void> {
    for (const entry of unit) {
      killed.throwIfAborted()
      const waiting = parked.get(entry.subject)
      if (waiting) passOver(entry, waiting)
      else await one(entry)
    }
  }

  /** Parks the subject of an event that is not due yet. */
  async function postpone(entry: Entry): Promise<void> {
    const last = lastOf([entry])
    const row = failures.earlyRow(entry, entry.shard.shard)
    await use(session => session.atomic(async (inside) => {
      await inside.query(parkSubject(context, consumer, row))
      await save(inside, last)
    }))
    parked.set(row, entry.id)
    finish([entry], last)
  }

  /** An event has failed alone, for the first time. */
  async function park(entry: Entry, failed: Failed): Promise<void> {
    await readAgain(entry)
    const last = lastOf([entry])
    const done = await use(session => session.atomic(async (inside) => {
      const done = await failures.fail(inside, entry, 1, failed)
      await save(inside, last)
      return done
    }))
    done()
    finish([entry], last)
  }

  /** In global order nothing may go ahead of an event: it is tried until it goes well, or is given up. */
  async function repeat(entry: Entry): Promise<void> {
    const last = lastOf([entry])
    const ended = AbortSignal.any([killed, stopping, entry.shard.lost.signal])
    for (let attempts = 1; ; attempts++) {
      const failed = await run([entry], [entry.shard], attempts, async (session, [result]) => {
        const failed = toFailed(result)
        if (failed) throw new Undone(failed)
        await save(session, last)
      }).then(() => undefined, failureOf)
      if (!failed) {
        handled++
        return finish([entry], last)
      }
      if (failures.isLast(entry, attempts, failed) && onExhausted === 'skip') return park(entry, { ...failed, isDead: true })
      await sleep(failures.pauseAfter(attempts, failed), undefined, { signal: ended }).catch(() => Promise.reject(new Fenced()))
      if (!await readAgain(entry)) return use(session => session.atomic(inside => save(inside, last))).then(() => finish([entry], last))
    }
  }

  async function move(session: Session, shard: Shard, from: bigint, row: Parked): Promise<void> {
    await requireHeld(context, session, consumer, [shard])
    const { count } = await session.query(moveParked(context, consumer, from, row))
    if (count === 0) throw new Fenced()
  }

  async function again(shard: Shard, waiting: Waiting, event: Entry['event']): Promise<boolean> {
    const { subject, fromId } = waiting
    const id = BigInt(event.id)
    const entry = { subject, id, event }
    if (failures.isEarly(entry)) {
      const row = failures.earlyRow(entry, shard.shard)
      await use(session => session.atomic(inside => move(inside, shard, fromId, row)))
      parked.set(row)
      return false
    }
    // The one that failed before may have been dismissed since.
    const attempts = id === fromId ? waiting.attempts + 1 : 1
    const next: Parked = { subject, shard: shard.shard, fromId: id + ONE, attempts: 0, delayMs: 0, error: '{}', replacement: undefined }
    const replacement = id === fromId ? waiting.replacement : undefined
    if (replacement === null) {
      await use(session => session.atomic(inside => move(inside, shard, fromId, next)))
      parked.set(next)
      return true
    }
    const failed = await run([{ subject, event: { ...event, ...replacement } }], [shard], attempts, async (session, [result]) => {
      const failed = toFailed(result)
      if (failed) throw new Undone(failed)
      await move(session, shard, fromId, next)
    }).then(() => undefined, failureOf)
    if (!failed) {
      handled++
      parked.set(next)
      return true
    }
    await readAgain(entry)
    const isLast = failures.isLast(entry, attempts, failed)
    const isSkipped = isLast && onExhausted === 'skip'
    const row = isSkipped ? next : failures.parkedRow(entry, shard.shard, attempts, isLast && onExhausted === 'park', failed)
    await use(session => session.atomic(async (inside) => {
      if (isLast && onExhausted !== 'block') await failures.bury(inside, entry, attempts, failed, isSkipped ? 'skipped' : 'parked')
      await move(inside, shard, fromId, row)
    }))
    parked.set(row)
    return isSkipped
  }

  async function unpark(shard: Shard, { subject, fromId }: Waiting): Promise<void> {
    await use(session => session.atomic(async (inside) => {
      await requireHeld(context, inside, consumer, [shard])
      const { count } = await inside.query(unparkSubject(context, consumer, subject, fromId))
      if (count === 0) throw new Fenced()
    }))
    parked.delete(subject)
  }

  return {
    get handled() {
      return handled
    },
    handle,
    again,
    unpark,
  }
}
