import { setTimeout as sleep } from 'node:timers/promises'
import { HandlerFailure } from './attempt'
import { createCalls } from './callHandler'
import type { CallsOptions } from './callHandler'
import type { Debouncing } from './debounce'
import { createCheckpoints } from './checkpoint'
import { createFailures, isRefusal, isUnwritten } from './failures'
import { Fenced } from './lease'
import { createParkedHandling } from './handleParked'
import type { ParkedHandling } from './handleParked'
import type { LeaveBehind } from './leaveBehind'
import { Limited } from './limits'
import type { Limits } from './limits'
import { parkSubject, waitingRow } from './parkedSql'
import type { ParkedSubjects } from './parkedSubjects'
import { createReadAgain } from './readAgain'
import { Undone, canSplit, failureOf, toFailed, undoneOf } from './results'
import type { Failed } from './results'
import { passOver } from './schedule'
import { lastOf } from './shard'
import type { Entry, Unit } from './shard'
import type { StreamOperations } from '../stream/types'

// Until there is room for further parked subjects.
const HOLD_MS = 50

export interface HandlingOptions extends CallsOptions {
  parked: ParkedSubjects
  leaving: LeaveBehind
  limits: Limits
  debounce: Debouncing
  /** Milliseconds since 1970 by the clock of the database. */
  now(): number
  read: StreamOperations['read']
}

export interface Handling extends ParkedHandling {
  /** Events whose handler went well. */
  readonly handled: number
  /** Attempts that have failed at the event at which all others wait: global order. */
  readonly attempts: number
  /** Handles a unit of work, and marks as done what is handled, parked or given up. */
  handle(unit: Unit): Promise<void>
}

export function createHandling(options: HandlingOptions): Handling {
  const { context, use, read, watch, settings, parked, leaving, limits, debounce, now, killed, stopping } = options
  const { name: consumer, transaction, onExhausted, order } = settings
  const failures = createFailures({ context, settings, parked, watch, now })
  const run = debounce.within(limits.within(createCalls(options)))
  const isTransactional = transaction !== 'none'
  const isEarly = (entry: Entry) => failures.waitOf(entry) > 0
  const checkpoints = createCheckpoints(options)
  const { readAgain, refresh } = createReadAgain(read)
  const { save, finish, count } = checkpoints
  let attemptsMade = 0

  async function handle(unit: Unit): Promise<void> {
    if (debounce.isOn) return arrive(debounce.fitting(unit))
    if (unit.some(({ isStale }) => isStale)) return handleRest(await refresh(unit))
    if (unit.some(isEarly)) return oneByOne(unit, entry => isEarly(entry) ? postpone(entry, failures.waitOf(entry)) : handle([entry]))
    if (order === 'global' && unit.length === 1) return repeat(unit[0]!).finally(() => (attemptsMade = 0))
    const last = lastOf(unit)
    let undone = new Map<Entry, Failed>()
    let after: (() => void)[] = []
    leaving.begin(unit)
    try {
      await run(unit, last.keys(), 1, (results) => {
        undone = undoneOf(unit, results)
        // Alone, nothing that was written for it is kept.
        if (unit.length === 1 && undone.size > 0) throw new Undone(undone.get(unit[0]!)!)
        if (!canSplit(order, unit, undone)) throw new HandlerFailure(new Error('some events of the batch were not done'))
        if (!isTransactional && undone.size === 0) return undefined
        return async (session) => {
          after = []
          await leaving.settle(unit)
          for (const [entry, failed] of undone) after.push(await failures.fail(session, entry, 1, failed))
          await save(session, last)
        }
      })
    }
    catch (error) {
      await leaving.settle(unit)
      if (error instanceof Limited) return limited(unit, error)
      if (isRefusal(error) && !isTransactional) await keepDone(unit, undone)
      const failed = failureOf(error)
      if (unit.length === 1) {
        failures.note(unit[0]!, 1, failed)
        return park(unit[0]!, failed)
      }
      // So that only the event that fails is held back.
      return oneByOne(unit, async entry => await readAgain(entry) ? handle([entry]) : void (entry.state = 'done'))
    }
    await leaving.settle(unit)
    after.forEach(done => done())
    await leaving.moveBehind(unit, undone.keys())
    count(unit.length - undone.size)
    for (const [entry, failed] of undone) failures.note(entry, 1, failed)
    finish(unit, last)
  }

  const handleRest = async (rest: Unit) => rest.length === 0 ? undefined : handle(rest)

  /** What was done without a transaction can't be taken back. */
  async function keepDone(unit: Unit, undone: Map<Entry, Failed>): Promise<void> {
    await leaving.moveBehind(unit, undone.keys())
    for (const entry of unit) if (!undone.has(entry)) entry.state = 'done'
    count(unit.length - undone.size)
  }

  /** Something of a unit waits in its shard. */
  function refused(unit: Unit, error: unknown): never {
    if (isUnwritten(error)) for (const entry of unit) entry.isStale = true
    throw error
  }

  async function oneByOne(unit: Unit, one: (entry: Entry) => Promise<void>): Promise<void> {
    for (const entry of unit) {
      killed.throwIfAborted()
      if (!passOverParked(entry)) await one(entry)
    }
  }

  /** Lets events wait that have come, until it is known which of them are handled. */
  async function arrive(unit: Unit): Promise<void> {
    if (unit.length === 0) return limits.hold(HOLD_MS)
    const last = lastOf(unit)
    const done = await use(session => session.atomic(async (inside) => {
      const done = await debounce.arrive(inside, unit)
      await save(inside, last)
      return done
    }))
    done()
    finish(unit, last)
  }

  /** Handles what is within the limits. The first event that is not waits, and lets others go ahead where they may. */
  async function limited(unit: Unit, { admitted, delayMs, line, isKeyed }: Limited): Promise<void> {
    const first = unit.slice(0, admitted)
    if (first.length > 0) await handle(first)
    killed.throwIfAborted()
    if (first.some(({ state }) => state !== 'done')) return
    const entry = unit[admitted]!
    if (passOverParked(entry)) return
    // The other half is left to events that fail.
    if (!isKeyed || order === 'global' || parked.size * 2 >= settings.maxParked) return limits.hold(delayMs)
    await postpone(entry, delayMs)
    parked.get(entry.subject)!.line = line
    const rest = unit.slice(admitted + 1).filter(other => !passOverParked(other))
    await handleRest(rest)
  }

  function passOverParked(entry: Entry): boolean {
    const waiting = parked.get(entry.subject)
    if (waiting) passOver(entry, waiting)
    return waiting !== undefined
  }

  /** Parks the subject of an event that may not be handled yet. */
  async function postpone(entry: Entry, delayMs: number): Promise<void> {
    const last = lastOf([entry])
    const row = waitingRow({ ...entry, shard: entry.shard.shard, fromId: entry.id, delayMs })
    await use(session => session.atomic(async (inside) => {
      await inside.query(parkSubject(context, consumer, row))
      await save(inside, last)
    }))
    parked.set(row, entry.id)
    finish([entry], last)
  }

  /** An event has failed alone. */
  async function park(entry: Entry, failed: Failed, attempts = 1): Promise<void> {
    await readAgain(entry)
    const last = lastOf([entry])
    const done = await use(session => session.atomic(async (inside) => {
      const done = await failures.fail(inside, entry, attempts, failed)
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
      attemptsMade = attempts - 1
      const failed = await run([entry], [entry.shard], attempts, ([result]) => {
        const failed = toFailed(result)
        if (failed) throw new Undone(failed)
        return isTransactional ? session => save(session, last) : undefined
      }).then(() => undefined, error => error instanceof Limited ? error : failureOf(error))
      if (!failed) {
        count(1)
        return finish([entry], last)
      }
      if (!(failed instanceof Limited)) failures.note(entry, attempts, failed)
      if (failed instanceof Limited) attempts--
      else if (failures.isLast(entry, attempts, failed) && onExhausted === 'skip') return park(entry, { ...failed, isDead: true }, attempts)
      await sleep(failed instanceof Limited ? failed.delayMs : failures.pauseAfter(attempts, failed), undefined, { signal: ended }).catch(() => Promise.reject(new Fenced()))
      if (!await readAgain(entry)) return use(session => session.atomic(inside => save(inside, last))).then(() => finish([entry], last))
    }
  }

  return {
    get handled() {
      return checkpoints.handled
    },
    get attempts() {
      return attemptsMade
    },
    handle: unit => handle(unit).catch(error => refused(unit, error)).finally(() => leaving.release(unit)),
    ...createParkedHandling({ ...options, failures, run, readAgain, count }),
  }
}
