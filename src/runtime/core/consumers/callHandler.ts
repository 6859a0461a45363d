import type { Use } from '../batch/operation'
import type { AtomicOptions, Session } from '../db/types'
import { StoreError, isStoreError } from '../shared/errors'
import { runInside } from '../shared/inside'
import { unref } from '../shared/timer'
import { copyRecord } from '../tables/eventCodec'
import type { Losses } from '../transaction/losses'
import type { TransactionApi } from '../transaction/types'
import type { StatementContext } from '../sql/template'
import { HandlerFailure, attempt, cutOff, isOfDatabase } from './attempt'
import type { Attempt } from './attempt'
import { requireHeld } from './lease'
import { isAwaited, isUndone, readResult, readResults } from './results'
import type { ConsumeResult } from './results'
import type { ConsumerSettings } from './settings'
import type { Entry, Shard } from './shard'
import type { ConsumedEvent, ConsumerContext } from './types'
import type { ConsumerWatch } from './watching'

export interface CallsOptions {
  context: StatementContext
  /** Runs the store's own statements. */
  use: Use
  /** A transaction in which code of the caller's runs. */
  within<T>(operation: string, work: (tx: TransactionApi, session: Session) => Promise<T>, options?: Pick<AtomicOptions, 'idleTimeout'>): Promise<T>
  watch: ConsumerWatch
  /** Marks the handlers of the store: `close` inside one of them would wait for itself. */
  handlers: object
  isLoss: Losses['isLoss']
  settings: ConsumerSettings
  /** Aborts when the consumer waits no longer for what is under way. */
  killed: AbortSignal
  /** Aborts when nothing new may begin. */
  stopping: AbortSignal
}

/** What is written together with the effects of a handler, given what it returned; undefined: nothing. */
export type Keep = (results: ConsumeResult[]) => ((session: Session) => Promise<void>) | undefined

/**
 * Calls the handler, with whatever is kept together with its effects.
 * @throws {CutOff} without a transaction
 */
export type RunHandler = (entries: Pick<Entry, 'event' | 'subject'>[], shards: Iterable<Shard>, attempts: number, keep: Keep) => Promise<void>

/** `session`: that of `tx`, where there is a transaction. */
type Given = Omit<ConsumerContext, 'consumer' | 'signal'> & { session?: Session | undefined }

/**
 * Calls the handler of a consumer once.
 * @throws {HandlerFailure}
 */
export async function callHandler(
  settings: ConsumerSettings, entries: Pick<Entry, 'event' | 'subject'>[], { session, ...given }: Given, signals: AbortSignal[],
  excused: Pick<Attempt, 'stopping' | 'isLoss'> = {},
): Promise<ConsumeResult[]> {
  let write: (() => Promise<void>) | undefined
  const results = await attempt(async ({ signal, throwIfEnded }) => {
    const context: ConsumerContext = {
      ...given,
      consumer: settings.name,
      get signal() {
        return signal()
      },
    }
    const events = entries.map(({ event, subject }): ConsumedEvent => copyRecord(event, { subject }))
    if (settings.project) {
      write = await settings.project(events, context, session!)
      return []
    }
    if (settings.batchHandler) return readResults(await settings.batchHandler(events, context), events.length)
    const results: ConsumeResult[] = []
    for (const [at, event] of events.entries()) {
      // The handler may have returned too late: the later events are those of another attempt.
      throwIfEnded()
      const result = readResult(await settings.handler!(event, context))
      results.push(result)
      // All of them are rolled back then.
      if (isUndone(result) && isAwaited(settings.order, events, at)) break
    }
    return results
  }, { timeoutMs: settings.attemptTimeout, signals, ...excused })
  await write?.()
  return results
}

export function createCalls({ context, use, within, watch, handlers, settings, killed, stopping, isLoss }: CallsOptions): RunHandler {
  const { leaseMs } = settings
  const breaking = createBreaking()
  return async function run(entries, shards, attempts, keep) {
    const held = [...shards]
    const signals = [killed, ...held.map(shard => shard.lost.signal)]
    const called = { consumer: settings.name, transaction: settings.transaction !== 'none' }
    let isCalled = false
    const call = (tx: TransactionApi, session?: Session) => watch.handler(called, () => runInside(handlers, () => {
      isCalled = true
      return callHandler(settings, entries, { tx, session, attempt: attempts, preview: false }, signals, { stopping, isLoss })
    }))
    const failed = (error: unknown) => isCalled && breaking.isFailure(entries, error) ? new HandlerFailure(error) : error
    if (settings.transaction === 'none') {
      const write = keep(await call(noTransaction).catch((error: unknown) => Promise.reject(cutOff(failed(error)))))
      breaking.forget(entries)
      return write && use(session => session.atomic(write))
    }
    try {
      await within('consume', async (tx, session) => {
        const hold = () => requireHeld(context, session, settings.name, held)
        await keep(await whileAlive(session, { leaseMs, hold }, () => call(tx, session)))?.(session)
      }, { idleTimeout: leaseMs }).catch((error: unknown) => Promise.reject(failed(error) as Error))
      breaking.forget(entries)
    }
    catch (error) {
      // What the database refuses of the handler's writes may show as late as at the commit.
      throw isStoreError(error) && !isOfDatabase(error) ? new HandlerFailure(error) : error
    }
  }
}

// In a row under one event: more of them are its doing.
const MOST_LOSSES = 3
// What is gone with its shard is forgotten with all the others.
const MOST_REMEMBERED = 10_000

/** Tells events that break the connection of their handler each time from those that were under way when it broke. */
function createBreaking() {
  const losses = new Map<string, number>()
  return {
    isFailure(entries: Pick<Entry, 'event'>[], error: unknown): boolean {
      if (!isStoreError(error) || error.code !== 'CONNECTION') return false
      if (losses.size > MOST_REMEMBERED) losses.clear()
      for (const { event: { id } } of entries) losses.set(id, (losses.get(id) ?? 0) + 1)
      return entries.some(({ event: { id } }) => losses.get(id)! > MOST_LOSSES)
    },
    forget(entries: Pick<Entry, 'event'>[]): void {
      if (losses.size > 0) for (const { event: { id } } of entries) losses.delete(id)
    },
  }
}

// In the time of a lease.
const BEATS = 10

const PROBE = { text: 'select 1', values: [] }

interface Alive {
  leaseMs: number
  /** Keeps the shards of the handler from being claimed. */
  hold(): Promise<void>
}

/**
 * Runs a handler in a transaction that the server ends when it is idle for the time of a lease, as this process is frozen
 * or cut off. While the process is well, the handler may take its time between two statements. It keeps its shards, too,
 * when all connections are so busy that no lease is renewed.
 */
async function whileAlive<T>(session: Session, { leaseMs, hold }: Alive, work: () => Promise<T>): Promise<T> {
  // Where it fails the transaction has failed, and its next statement tells.
  const beat = setInterval(() => void hold().catch(() => clearInterval(beat)), leaseMs / BEATS)
  unref(beat)
  try {
    return await work()
  }
  catch (error) {
    if (error instanceof HandlerFailure && isOfDatabase(error.cause)) await requireConnection(session)
    throw error
  }
  finally {
    clearInterval(beat)
  }
}

/** @throws {StoreError} when the connection broke under the handler: no failure of the event */
async function requireConnection(session: Session): Promise<void> {
  const error: unknown = await session.query(PROBE).then(() => undefined, failure => failure)
  if (isOfDatabase(error)) throw error
}

const noTransaction = new Proxy({}, {
  get() {
    throw new StoreError('INVALID_CALL', 'a consumer with transaction: \'none\' has no transaction: use the store itself')
  },
}) as TransactionApi
