import type { GlobalReader } from '../log/reader'
import { createWakeablePause } from '../log/subscriptions/wakeablePause'
import { createBackoff } from '../shared/backoff'
import { messageOf } from '../shared/errors'
import type { Logger } from '../shared/types'
import { isOfDatabase } from './attempt'
import { createDebounce } from './debounce'
import { Exhausted, TooManyParked, isUnwritten } from './failures'
import { createFeed } from './feed'
import { createHandling } from './handling'
import type { HandlingOptions } from './handling'
import { createHeartbeat } from './heartbeat'
import { Fenced, Removed } from './lease'
import { createLeaveBehind } from './leaveBehind'
import { createLimits } from './limits'
import { createParkedSubjects } from './parkedSubjects'
import type { Waiting } from './parkedSubjects'
import { createRetries } from './retryParked'
import { createSchedule } from './schedule'
import { begin, end, shardsOf } from './shard'
import type { Unit } from './shard'
import { createUnderWay } from './underWay'
import { createUpkeep } from './upkeep'
import type { UpkeepOptions } from './upkeep'

// Until an event that is appended but not settled yet is looked for again.
const SOON_MS = 20
// Without anything else to wait for.
const IDLE_MS = 1_000

export interface WorkerParts extends Pick<HandlingOptions, 'context' | 'use' | 'within' | 'read' | 'watch' | 'handlers' | 'isLoss'> {
  reader: GlobalReader
  logger: Logger
  /** Calls back when there may be new events, until the result is called. */
  listen(onWake: () => void): () => Promise<void>
}

interface WorkerOptions extends WorkerParts, Pick<HandlingOptions, 'settings' | 'killed' | 'stopping'>, Pick<UpkeepOptions, 'once'> {
  isPaused(): boolean
}

/** What one process does for a consumer, between its start and its stop. */
export interface Worker {
  /**
   * Handles events until it is stopped.
   * @throws {Exhausted} when the consumer gives up
   * @throws {Removed}
   */
  run(): Promise<void>
  /** There may be new events, or a change of what it may do. */
  wake(): void
  /** Shards that this process holds. */
  shards(): number
  /** Ids between the newest event that it has read of and the lowest position of its shards; null while it holds none. */
  lag(): number | null
  /** Attempts that have failed at the event at which all others wait: global order. */
  attempts(): number
  /** Events whose handler went well. */
  handled(): number
  /** Whether there is something to do for it up to a position, or an attempt that is due. */
  isBusy(upTo: bigint): boolean
}

export function createWorker(options: WorkerOptions): Worker {
  const { logger, watch, settings, stopping, killed } = options
  const { name, leaseMs, concurrency } = settings
  const parked = createParkedSubjects()
  const leaving = createLeaveBehind({ ...options, parked })
  const { lease, drop, ...upkeep } = createUpkeep({ ...options, parked, leaving })
  const limits = createLimits({ ...options, onFree: parked.call })
  const debounce = createDebounce({ ...options, parked })
  const handling = createHandling({ ...options, parked, leaving, limits, debounce, now: lease.now })
  const retry = createRetries({ ...options, ...handling, limits, debounce, parked })
  const schedule = createSchedule({ parked, settings, isDebounced: debounce.isOn })
  const feed = createFeed({ ...options, lease })
  const pause = createWakeablePause()
  const backoff = createBackoff({ first: 100, max: 10_000, jitter: [0.5, 1.5] })
  const underWay = createUnderWay(trouble, pause.wake)
  let handlers = 0
  let wasRetry = false
  let failure: { error: unknown } | undefined
  // By the clock of this process.
  let readAt = 0
  let resumeAt = 0

  function wake(): void {
    readAt = 0
    pause.wake()
  }

  function trouble(error: unknown): void {
    if (killed.aborted) return
    if (error instanceof Fenced) {
      if (!stopping.aborted) watch.count(name, 'fenced')
      return
    }
    if (error instanceof Exhausted || error instanceof Removed) {
      failure ??= { error }
      return
    }
    const wait = backoff.next()
    resumeAt = performance.now() + wait
    const cause = error instanceof TooManyParked ? `, the last one with: ${messageOf(error.cause)}` : ''
    if (!isOfDatabase(error)) logger.warn(`consumer ${name} tries again in ${Math.round(wait)} ms: ${messageOf(error)}${cause}`)
  }

  async function readMore(): Promise<void> {
    // A wake while it reads asks for one more.
    readAt = Infinity
    const more = await feed.read().catch((error: unknown) => {
      readAt = 0
      throw error
    })
    readAt = Math.min(readAt, more === 'now' ? 0 : performance.now() + (more === 'soon' ? SOON_MS : settings.pollInterval))
  }

  async function retryOne(waiting: Waiting): Promise<void> {
    const shard = lease.held.get(waiting.shard)
    if (!shard) return parked.end(waiting)
    shard.retrying++
    try {
      await retry(shard, waiting)
    }
    catch (error) {
      if (!isUnwritten(error)) drop(shard)
      throw error
    }
    finally {
      shard.retrying--
      parked.end(waiting)
    }
  }

  async function work(unit: Unit): Promise<void> {
    try {
      await handling.handle(unit)
      backoff.reset()
    }
    catch (error) {
      // A handler that is not waited for any longer has written nothing of the store's own, without a transaction.
      const isOver = killed.aborted && settings.transaction === 'none'
      if (!isOver && !isUnwritten(error)) for (const shard of shardsOf(unit)) drop(shard)
      throw error
    }
    finally {
      end(unit)
    }
  }

  /** None of a shard that another process is about to get. */
  function dueRetry(): Waiting | undefined {
    const waiting = parked.due()
    if (!waiting || !lease.held.get(waiting.shard)?.isLeaving) return waiting
    parked.postpone(waiting, SOON_MS)
    return undefined
  }

  /** Begins as much as there is room for. Retries and what is new take turns. */
  function dispatch(): void {
    while (handlers < concurrency) {
      const first = wasRetry ? undefined : dueRetry()
      const unit = first || limits.isHolding() ? [] : schedule.next(lease.held.values(), concurrency - handlers)
      const waiting = first ?? (unit.length === 0 ? dueRetry() : undefined)
      if (!waiting && unit.length === 0) return
      wasRetry = waiting !== undefined
      if (waiting) parked.begin(waiting)
      else begin(unit)
      handlers++
      underWay.run(() => waiting ? retryOne(waiting) : work(unit), () => handlers--)
    }
  }

  /** One turn: begins what is due. Returns in how many milliseconds the next one is. */
  function turn(): number {
    const waitMs = resumeAt - performance.now()
    const isHeld = lease.check()
    parked.keep(shard => lease.held.has(shard))
    if (waitMs > 0) return waitMs
    const keptIn = underWay.when('keeping', upkeep.keepIn(), upkeep.keep)
    if (options.isPaused()) return Math.min(keptIn, IDLE_MS)
    if (isHeld) dispatch()
    const isIdle = isHeld && handlers < concurrency && !limits.isHolding()
    return Math.min(
      IDLE_MS, keptIn,
      lease.held.size === 0 || !feed.hasRoom(isIdle) ? Infinity : underWay.when('reading', readAt - performance.now(), readMore),
      underWay.when('saving', upkeep.saveIn(), upkeep.save),
      isHeld && handlers < concurrency ? Math.min(parked.nextIn(), limits.nextIn()) : Infinity,
    )
  }

  return {
    wake,
    shards: () => lease.held.size,
    lag: feed.lag,
    attempts: () => handling.attempts,
    handled: () => handling.handled,
    isBusy: upTo => underWay.size > 0 || upkeep.keepIn() <= 0 || resumeAt > performance.now() || parked.nextIn() <= SOON_MS
      || [...lease.held.values()].some(({ position }) => position < upTo),
    async run() {
      const beat = createHeartbeat(() => lease.renew().then(limits.keep).then(debounce.keep).catch(trouble).finally(pause.wake), leaseMs / 3)
      const beside = settings.beside && createHeartbeat(() => settings.beside!.run(stopping), settings.beside.everyMs)
      const silence = options.listen(wake)
      try {
        await beat.start()
        void beside?.start()
        while (!stopping.aborted && !failure) await pause.wait(Math.max(1, turn()))
        await underWay.end()
      }
      finally {
        await beat.stop()
        await beside?.stop()
        await silence()
        // What is not given back is found by others when the lease has run out.
        await lease.end().catch((error: unknown) => logger.warn(`consumer ${name} could not give its shards back: ${messageOf(error)}`))
      }
      if (failure) throw failure.error
    },
  }
}
