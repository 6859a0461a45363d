import type { Use } from '../batch/operation'
import type { Session } from '../db/types'
import { createBackoff } from '../shared/backoff'
import { StoreError } from '../shared/errors'
import { toJson } from '../shared/json'
import type { StatementContext } from '../sql/template'
import type { TransactionApi } from '../transaction/types'
import { HandlerFailure, attempt, describeError } from './attempt'
import type { Lease, Shard } from './lease'
import { toCheckpoint } from './lease'
import { addDeadLetter, parkSubject } from './parkedSql'
import type { ParkedSubjects } from './parkedSubjects'
import type { ConsumerSettings } from './settings'
import { moveShards } from './sql'
import type { ConsumeResult, ConsumedEvent, ShardedEvent } from './types'

/** Another process has taken a shard whose events were under way: nothing of them is kept. */
export class Fenced extends Error {}

/** The consumer gives up at an event: `onExhausted: 'stop'`. */
export class Exhausted extends Error {
  constructor(readonly event: ConsumedEvent, override readonly cause: unknown) {
    super(`event ${event.id} of ${JSON.stringify(event.subject)} has failed for the last time`)
  }
}

export interface DeliveryOptions {
  context: StatementContext
  use: Use
  within<T>(operation: string, work: (tx: TransactionApi, session: Session) => Promise<T>): Promise<T>
  settings: ConsumerSettings
  lease: Lease
  parked: ParkedSubjects
  /** Ends attempts when the consumer stops waiting for them. */
  signal: AbortSignal
}

export interface Delivery {
  /** Handles events of held shards, in the order of their ids, and moves the positions of the shards on. */
  deliver(events: ShardedEvent[]): Promise<void>
  /**
   * Makes a further attempt at one event of a parked subject.
   * @returns whether the later events of its subject may go on
   */
  again(event: ShardedEvent, attempts: number, done: (session: Session) => Promise<unknown>): Promise<boolean>
}

export function createDelivery({ context, use, within, settings, lease, parked, signal }: DeliveryOptions): Delivery {
  const { name: consumer, batchSize, concurrency, transaction, maxAttempts, onExhausted, order } = settings

  const shardOf = ({ shard }: ShardedEvent) => lease.held.get(shard)
  const isDue = (event: ShardedEvent) => {
    const shard = shardOf(event)
    return shard !== undefined && !parked.has(event.subject) && BigInt(event.event.id) > shard.position
  }

  /** The last id of each shard among events, as its checkpoint. */
  function checkpointsOf(events: ShardedEvent[]): Map<Shard, bigint> {
    const last = new Map<Shard, bigint>()
    for (const event of events) {
      const shard = shardOf(event)
      if (!shard) throw new Fenced()
      last.set(shard, BigInt(event.event.id))
    }
    return last
  }

  async function save(session: Session, last: Map<Shard, bigint>): Promise<void> {
    const checkpoints = [...last].map(([shard, position]) => ({ ...toCheckpoint(shard), position }))
    const { count } = await session.query(moveShards(context, { consumer, checkpoints }))
    if (count < checkpoints.length) throw new Fenced()
  }

  function moved(last: Map<Shard, bigint>): void {
    for (const [shard, position] of last) if (position > shard.position) shard.position = shard.saved = position
  }

  function call(events: ShardedEvent[], tx: TransactionApi, attempts: number, shards: Iterable<Shard>): Promise<ConsumeResult[]> {
    return attempt(async (ended) => {
      const context = { consumer, tx, signal: ended, attempt: attempts }
      const consumed = events.map(toConsumed)
      if (settings.batchHandler) return readResults(await settings.batchHandler(consumed, context), events.length)
      for (const event of consumed) await settings.handler!(event, context)
      return []
    }, { timeoutMs: settings.attemptTimeout, signals: [signal, ...[...shards].map(({ lost }) => lost.signal)] })
  }

  /** Runs the handler with whatever it is to be kept with. */
  async function handled(events: ShardedEvent[], attempts: number, shards: Iterable<Shard>, keep: (session: Session, results: ConsumeResult[]) => Promise<void>): Promise<void> {
    if (transaction === 'none') {
      const results = await call(events, noTransaction, attempts, shards)
      return use(session => session.atomic(inside => keep(inside, results)))
    }
    await within('consume', async (tx, session) => {
      // A process that is frozen must not hold locks for longer than its lease.
      await session.query({ text: 'select pg_catalog.set_config(\'idle_in_transaction_session_timeout\', $1::text, true)', values: [String(settings.leaseMs)] })
      await keep(session, await call(events, tx, attempts, shards))
    })
  }

  async function deliverTogether(events: ShardedEvent[]): Promise<void> {
    const due = events.filter(isDue)
    if (due.length === 0) return
    const last = checkpointsOf(due)
    const set: { subject: string, outcome: Failure }[] = []
    try {
      await handled(due, 1, last.keys(), async (session, results) => {
        set.length = 0
        for (const [event, result] of firstUndone(due, results)) set.push({ subject: event.subject, outcome: await fail(session, event, 1, result) })
        await save(session, last)
      })
    }
    catch (error) {
      if (!(error instanceof HandlerFailure)) throw error
      if (due.length === 1) return failed(due[0]!, error)
      // One by one, so that only the event that fails is held back.
      for (const event of due) await deliverTogether([event])
      return
    }
    set.forEach(({ outcome }) => outcome.done())
    moved(last)
  }

  /** Writes down what becomes of an event that failed; `done` is for after the commit. */
  async function fail(session: Session, event: ShardedEvent, attempts: number, failure: FailedResult): Promise<Failure> {
    const { subject, shard } = event
    const fromId = BigInt(event.event.id)
    const error = describeError(failure.error)
    const isLast = failure.dead ?? attempts >= maxAttempts
    if (isLast && onExhausted === 'stop') throw new Exhausted(toConsumed(event), failure.error)
    if (isLast && onExhausted !== 'block') {
      const state = onExhausted === 'skip' ? 'skipped' : 'parked'
      await session.query(addDeadLetter(context, { consumer, subject, eventId: fromId, event: toJsonText(event), attempts, error, state }))
      if (state === 'skipped') return { isSkipped: true, done() {} }
    }
    const delayMs = isLast && onExhausted === 'park' ? undefined : failure.after ?? pauseAfter(attempts)
    const row = { subject, shard, fromId, attempts, delayMs, error }
    await session.query(parkSubject(context, consumer, row))
    return { isSkipped: false, done: () => parked.set(row) }
  }

  function pauseAfter(attempts: number): number {
    const backoff = createBackoff({ ...settings.backoff, jitter: [0.5, 1.5] })
    for (let at = 1; at < Math.min(attempts, 30); at++) backoff.next()
    return backoff.next()
  }

  /** An event has failed the first time, alone. */
  async function failed(event: ShardedEvent, error: unknown): Promise<void> {
    if (order === 'global') return repeat(event, error)
    const last = checkpointsOf([event])
    const outcome = await use(session => session.atomic(async (inside) => {
      const outcome = await fail(inside, event, 1, { error })
      await save(inside, last)
      return outcome
    }))
    outcome.done()
    moved(last)
  }

  /** In global order nothing may go ahead: the same event is tried until it goes well, or is skipped. */
  async function repeat(event: ShardedEvent, first: unknown): Promise<void> {
    const last = checkpointsOf([event])
    let error = first
    for (let attempts = 1; ; attempts++) {
      if (attempts >= maxAttempts && onExhausted === 'stop') throw new Exhausted(toConsumed(event), error)
      if (attempts >= maxAttempts && onExhausted === 'skip') {
        await use(session => session.atomic(async (inside) => {
          await inside.query(addDeadLetter(context, { consumer, subject: event.subject, eventId: BigInt(event.event.id), event: toJsonText(event), attempts, error: describeError(error), state: 'skipped' }))
          await save(inside, last)
        }))
        return moved(last)
      }
      await pause(pauseAfter(attempts), AbortSignal.any([signal, ...[...last.keys()].map(({ lost }) => lost.signal)]))
      try {
        await handled([event], attempts + 1, last.keys(), session => save(session, last))
        return moved(last)
      }
      catch (failure) {
        if (!(failure instanceof HandlerFailure)) throw failure
        error = failure
      }
    }
  }

  async function lane(events: ShardedEvent[]): Promise<void> {
    const size = transaction === 'batch' || settings.batchHandler ? batchSize : 1
    for (let at = 0; at < events.length; at += size) {
      if (signal.aborted) return
      const chunk = events.slice(at, at + size)
      try {
        await deliverTogether(chunk)
        for (const [shard, position] of checkpointsOf(chunk.filter(event => shardOf(event)))) if (position > shard.position) shard.position = position
      }
      catch (error) {
        if (!(error instanceof Fenced)) throw error
        // Which of them is lost is not known: all are claimed again where they are free.
        for (const event of chunk) {
          const shard = shardOf(event)
          if (shard) lease.drop(shard)
        }
      }
    }
  }

  return {
    async deliver(events) {
      const lanes = new Map<number, ShardedEvent[]>()
      for (const event of events) {
        const own = event.shard % concurrency
        const queue = lanes.get(own)
        if (queue) queue.push(event)
        else lanes.set(own, [event])
      }
      const outcomes = await Promise.allSettled([...lanes.values()].map(lane))
      const rejected = outcomes.find(({ status }) => status === 'rejected') as PromiseRejectedResult | undefined
      if (rejected) throw rejected.reason
    },

    async again(event, attempts, done) {
      const shard = shardOf(event)
      if (!shard) throw new Fenced()
      const same = new Map([[shard, shard.position]])
      try {
        await handled([event], attempts + 1, [shard], async (session, [result]) => {
          const undone = toFailed(result)
          if (undone) throw undone.error
          await done(session)
          await save(session, same)
        })
        return true
      }
      catch (error) {
        if (!(error instanceof HandlerFailure)) throw error
        const outcome = await use(session => session.atomic(async (inside) => {
          const outcome = await fail(inside, event, attempts + 1, { error })
          if (outcome.isSkipped) await done(inside)
          await save(inside, same)
          return outcome
        }))
        outcome.done()
        return outcome.isSkipped
      }
    },
  }
}

/** What became of an event that failed. */
interface Failure {
  isSkipped: boolean
  /** Called once it is committed. */
  done(): void
}

interface FailedResult {
  error: unknown
  after?: number | undefined
  dead?: boolean
}

/** Of each subject the first event that was not done: those behind it wait. */
function firstUndone(events: ShardedEvent[], results: ConsumeResult[]): Map<ShardedEvent, FailedResult> {
  const undone = new Map<string, [ShardedEvent, FailedResult]>()
  results.forEach((result, at) => {
    const failed = toFailed(result)
    const event = events[at]!
    if (failed && !undone.has(event.subject)) undone.set(event.subject, [event, failed])
  })
  return new Map(undone.values())
}

function toFailed(result: ConsumeResult): FailedResult | undefined {
  if (result === undefined || result === 'done') return undefined
  if ('dead' in result) return { error: new HandlerFailure(new Error(result.dead)), dead: true }
  return { error: new HandlerFailure(new Error('the handler wants to retry')), after: result.retry.after }
}

function readResults(results: unknown, events: number): ConsumeResult[] {
  if (results === undefined) return []
  const isResult = (result: unknown) => result === undefined || result === 'done' || (typeof result === 'object' && result !== null && ('dead' in result || 'retry' in result))
  if (!Array.isArray(results) || results.length !== events || !results.every(isResult)) {
    throw new StoreError('INVALID_VALUE', `batchHandler must return nothing, or for each of its ${events} events 'done', { retry: { after } } or { dead: reason }`)
  }
  return results as ConsumeResult[]
}

export const toConsumed = ({ subject, event }: ShardedEvent): ConsumedEvent => ({ ...event, subject })
const toJsonText = ({ event }: ShardedEvent): string => JSON.stringify(toJson(event, 'event'))

const pause = (ms: number, signal: AbortSignal) => new Promise<void>((resolve, reject) => {
  const ended = () => {
    clearTimeout(timer)
    reject(signal.reason as Error)
  }
  const timer = setTimeout(() => {
    signal.removeEventListener('abort', ended)
    resolve()
  }, ms)
  signal.addEventListener('abort', ended, { once: true })
})

const refuse = (): never => {
  throw new StoreError('INVALID_CALL', 'a consumer with transaction: \'none\' has no transaction: use the store itself')
}
const noTransaction = new Proxy({}, { get: refuse }) as TransactionApi
