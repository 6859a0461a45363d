import type { Use } from '../batch/operation'
import type { Session } from '../db/types'
import { createBackoff } from '../shared/backoff'
import { StoreError, isStoreError } from '../shared/errors'
import { toJson } from '../shared/json'
import type { StatementContext } from '../sql/template'
import type { TransactionApi } from '../transaction/types'
import { HandlerFailure, attempt, describeError, isOfDatabase } from './attempt'
import { Fenced, toCheckpoint } from './lease'
import { addDeadLetter, moveParked, parkSubject, unparkSubject } from './parkedSql'
import type { Parked } from './parkedSql'
import type { ParkedSubjects, Waiting } from './parkedSubjects'
import { readResults, toFailed } from './results'
import type { ConsumeResult, Failed } from './results'
import type { ConsumerSettings } from './settings'
import { shardsOf } from './shard'
import type { Entry, Shard, Unit } from './shard'
import { fenceShard, moveShards } from './sql'
import type { ConsumedEvent } from './types'

/** The consumer ends at an event: `onExhausted: 'stop'`. */
export class Exhausted extends Error {
  constructor({ subject, id }: Entry, override readonly cause: unknown) {
    super(`event ${id} of ${JSON.stringify(subject)} has failed for the last time`)
  }
}

/** Too many subjects are parked: what fails is tried again with its shard. */
export class TooManyParked extends Error {
  constructor(override readonly cause: unknown) {
    super('too many subjects are parked')
  }
}

export interface HandlingOptions {
  context: StatementContext
  use: Use
  within<T>(operation: string, work: (tx: TransactionApi, session: Session) => Promise<T>): Promise<T>
  settings: ConsumerSettings
  parked: ParkedSubjects
  /** Aborts when the consumer waits no longer for what is under way. */
  killed: AbortSignal
}

export interface Handling {
  /** Handles a unit of work, and marks as done what is handled, parked or given up. */
  handle(unit: Unit): Promise<void>
  /** Makes a further attempt at the first event of a parked subject. Returns whether the next one may follow. */
  again(shard: Shard, waiting: Waiting, event: Entry['event']): Promise<boolean>
  /** Lets a parked subject go on with its shard. */
  unpark(shard: Shard, waiting: Waiting): Promise<void>
}

/** What is kept in the transaction of a handler, given what it returned. */
type Keep = (session: Session, results: ConsumeResult[]) => Promise<void>

export function createHandling({ context, use, within, settings, parked, killed }: HandlingOptions): Handling {
  const { name: consumer, transaction, maxAttempts, onExhausted, order, backoff } = settings
  const isTransactional = transaction !== 'none'

  function call(events: Entry['event'][], subjects: string[], tx: TransactionApi, attempts: number, lost: AbortSignal[]): Promise<ConsumeResult[]> {
    return attempt(async (signal) => {
      const given = { consumer, tx, signal, attempt: attempts }
      const consumed = events.map((event, at): ConsumedEvent => ({ ...event, subject: subjects[at]! }))
      if (settings.batchHandler) return readResults(await settings.batchHandler(consumed, given), events.length)
      for (const event of consumed) await settings.handler!(event, given)
      return []
    }, { timeoutMs: settings.attemptTimeout, signals: [killed, ...lost] })
  }

  /** Calls the handler, with whatever is kept together with its effects. */
  async function run(entries: Pick<Entry, 'event' | 'subject'>[], shards: Iterable<Shard>, attempts: number, keep: Keep): Promise<void> {
    const events = entries.map(({ event }) => event)
    const subjects = entries.map(({ subject }) => subject)
    const lost = [...shards].map(shard => shard.lost.signal)
    if (!isTransactional) {
      const results = await call(events, subjects, noTransaction, attempts, lost)
      return use(session => session.atomic(inside => keep(inside, results)))
    }
    try {
      await within('consume', async (tx, session) => {
        // A process that is frozen must not hold its locks for longer than its lease.
        await session.query({ text: 'select pg_catalog.set_config(\'idle_in_transaction_session_timeout\', $1::text, true)', values: [String(settings.leaseMs)] })
        await keep(session, await call(events, subjects, tx, attempts, lost))
      })
    }
    catch (error) {
      // What the database refuses of the handler's writes may show as late as at the commit.
      throw isStoreError(error) && !isOfDatabase(error) ? new HandlerFailure(error) : error
    }
  }

  /** Moves the shards behind a unit. Without a transaction the positions are written later, for many units at once. */
  async function save(session: Session, last: Map<Shard, bigint>): Promise<void> {
    if (!isTransactional) return fence(session, last.keys())
    const checkpoints = [...last].map(([shard, id]) => toCheckpoint(shard, id))
    const { count } = await session.query(moveShards(context, { consumer, checkpoints }))
    if (count < checkpoints.length) throw new Fenced()
  }

  async function fence(session: Session, shards: Iterable<Shard>): Promise<void> {
    for (const shard of shards) {
      const { count } = await session.query(fenceShard(context, consumer, shard))
      if (count === 0) throw new Fenced()
    }
  }

  function finish(unit: Unit, last: Map<Shard, bigint>): void {
    if (isTransactional) for (const [shard, id] of last) shard.saved = id
    for (const entry of unit) entry.state = 'done'
  }

  async function handle(unit: Unit): Promise<void> {
    if (order === 'global' && unit.length === 1) return repeat(unit[0]!)
    const last = lastOf(unit)
    let after: (() => void)[] = []
    try {
      await run(unit, last.keys(), 1, async (session, results) => {
        after = []
        const undone = undoneOf(unit, results)
        if (undone.size > 0 && !canSplit(unit, undone)) throw new HandlerFailure(new Error('some events of the batch were not done'))
        for (const [entry, failed] of undone) after.push(await fail(session, entry, 1, failed))
        if (isTransactional || undone.size > 0) await save(session, last)
      })
    }
    catch (error) {
      if (!(error instanceof HandlerFailure)) throw error
      if (unit.length === 1) return park(unit[0]!, { error })
      // One by one, so that only the event that fails is held back.
      for (const entry of unit) {
        killed.throwIfAborted()
        if (parked.get(entry.subject)) passOver(entry)
        else await handle([entry])
      }
      return
    }
    after.forEach(done => done())
    finish(unit, last)
  }

  /** Whether what was done of a batch can be kept: not when it was behind an event of its subject that was not done. */
  function canSplit(unit: Unit, undone: Map<Entry, Failed>): boolean {
    if (order === 'global') return false
    return [...undone.keys()].every(({ subject, id }) => unit.every(entry => entry.subject !== subject || entry.id <= id))
  }

  function passOver(entry: Entry): void {
    parked.get(entry.subject)!.passedTo = entry.id
    entry.state = 'done'
  }

  /** An event has failed alone, for the first time. */
  async function park(entry: Entry, failed: Failed): Promise<void> {
    const last = lastOf([entry])
    const done = await use(session => session.atomic(async (inside) => {
      const done = await fail(inside, entry, 1, failed)
      await save(inside, last)
      return done
    }))
    done()
    finish([entry], last)
  }

  /** Writes down what becomes of an event that failed. Returns what has to happen after the commit. */
  async function fail(session: Session, entry: Entry, attempts: number, failed: Failed): Promise<() => void> {
    const isLast = failed.isDead ?? attempts >= maxAttempts
    if (isLast && onExhausted === 'stop') throw new Exhausted(entry, failed.error)
    if (isLast && onExhausted === 'skip') {
      await bury(session, entry, attempts, failed, 'skipped')
      return () => {}
    }
    if (parked.size >= settings.maxParked) throw new TooManyParked(failed.error)
    if (isLast && onExhausted === 'park') await bury(session, entry, attempts, failed, 'parked')
    const row = parkedRow(entry.subject, entry.shard.shard, entry.id, attempts, isLast && onExhausted === 'park', failed)
    await session.query(parkSubject(context, consumer, row))
    return () => parked.set(row)
  }

  function parkedRow(subject: string, shard: number, fromId: bigint, attempts: number, isDead: boolean, failed: Failed): Parked {
    return { subject, shard, fromId, attempts, delayMs: isDead ? undefined : failed.after ?? pauseAfter(attempts), error: describeError(failed.error) }
  }

  async function bury(session: Session, { subject, id, event }: Pick<Entry, 'subject' | 'id' | 'event'>, attempts: number, { error }: Failed, state: 'parked' | 'skipped'): Promise<void> {
    await session.query(addDeadLetter(context, { consumer, subject, eventId: id, event: JSON.stringify(toJson(event, 'event')), attempts, error: describeError(error), state }))
  }

  function pauseAfter(attempts: number): number {
    const pauses = createBackoff({ ...backoff, jitter: [0.5, 1.5] })
    for (let at = 1; at < Math.min(attempts, 30); at++) pauses.next()
    return pauses.next()
  }

  /** In global order nothing may go ahead of an event: it is tried until it goes well, or is given up. */
  async function repeat(entry: Entry): Promise<void> {
    const last = lastOf([entry])
    const ended = AbortSignal.any([killed, entry.shard.lost.signal])
    for (let attempts = 1; ; attempts++) {
      const failed = await run([entry], [entry.shard], attempts, async (session, [result]) => {
        const failed = toFailed(result)
        if (failed) throw new Undone(failed)
        await save(session, last)
      }).then(() => undefined, failureOf)
      if (!failed) return finish([entry], last)
      const isLast = failed.isDead ?? attempts >= maxAttempts
      if (isLast && onExhausted === 'stop') throw new Exhausted(entry, failed.error)
      if (isLast && onExhausted === 'skip') return park(entry, { ...failed, isDead: true })
      await pause(failed.after ?? pauseAfter(attempts), ended)
    }
  }

  async function move(session: Session, shard: Shard, from: bigint, row: Parked): Promise<void> {
    await fence(session, [shard])
    const { count } = await session.query(moveParked(context, consumer, from, row))
    if (count === 0) throw new Fenced()
  }

  async function again(shard: Shard, waiting: Waiting, event: Entry['event']): Promise<boolean> {
    const { subject, fromId } = waiting
    const id = BigInt(event.id)
    const attempts = waiting.attempts + 1
    const next: Parked = { subject, shard: shard.shard, fromId: id + 1n, attempts: 0, delayMs: 0, error: '{}' }
    const failed = await run([{ subject, event }], [shard], attempts, async (session, [result]) => {
      const failed = toFailed(result)
      if (failed) throw new Undone(failed)
      await move(session, shard, fromId, next)
    }).then(() => undefined, failureOf)
    if (!failed) {
      parked.set(next)
      return true
    }
    const isLast = failed.isDead ?? attempts >= maxAttempts
    const entry = { subject, id, event }
    if (isLast && onExhausted === 'stop') throw new Exhausted({ ...entry, shard, state: 'running' }, failed.error)
    const isSkipped = isLast && onExhausted === 'skip'
    const row = isSkipped ? next : parkedRow(subject, shard.shard, id, attempts, isLast && onExhausted === 'park', failed)
    await use(session => session.atomic(async (inside) => {
      if (isLast && onExhausted !== 'block') await bury(inside, entry, attempts, failed, isSkipped ? 'skipped' : 'parked')
      await move(inside, shard, fromId, row)
    }))
    parked.set(row)
    return isSkipped
  }

  async function unpark(shard: Shard, { subject, fromId }: Waiting): Promise<void> {
    await use(session => session.atomic(async (inside) => {
      await fence(inside, [shard])
      const { count } = await inside.query(unparkSubject(context, consumer, subject, fromId))
      if (count === 0) throw new Fenced()
    }))
    parked.delete(subject)
  }

  return { handle, again, unpark }
}

/** The handler did not throw, but wants an event back: its transaction is rolled back. */
class Undone extends Error {
  constructor(readonly failed: Failed) {
    super('not done')
  }
}

function failureOf(error: unknown): Failed {
  if (error instanceof Undone) return error.failed
  if (error instanceof HandlerFailure) return { error }
  throw error
}

function undoneOf(unit: Unit, results: ConsumeResult[]): Map<Entry, Failed> {
  const undone = new Map<Entry, Failed>()
  results.forEach((result, at) => {
    const failed = toFailed(result)
    if (failed) undone.set(unit[at]!, failed)
  })
  return undone
}

/** The last id of each shard in a unit. */
function lastOf(unit: Unit): Map<Shard, bigint> {
  const last = new Map<Shard, bigint>()
  // In the order of their shards, so that two of them are locked in the same order everywhere.
  for (const shard of [...shardsOf(unit)].sort((a, b) => a.shard - b.shard)) last.set(shard, unit.findLast(entry => entry.shard === shard)!.id)
  return last
}

const pause = (ms: number, signal: AbortSignal) => new Promise<void>((resolve, reject) => {
  const ended = () => {
    clearTimeout(timer)
    reject(signal.reason as Error)
  }
  const timer = setTimeout(() => {
    signal.removeEventListener('abort', ended)
    resolve()
  }, ms)
  if (signal.aborted) ended()
  signal.addEventListener('abort', ended, { once: true })
})

const noTransaction = new Proxy({}, {
  get() {
    throw new StoreError('INVALID_CALL', 'a consumer with transaction: \'none\' has no transaction: use the store itself')
  },
}) as TransactionApi
