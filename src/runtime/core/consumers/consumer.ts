import { setTimeout as sleep } from 'node:timers/promises'
import { checkMilliseconds, checkOptions, checkPosition } from '../shared/checks'
import { StoreError, messageOf } from '../shared/errors'
import { isInside, runInside } from '../shared/inside'
import { inTime } from '../shared/timer'
import { readInfos } from './admin'
import { createKill } from './attempt'
import { Exhausted, exhaustedError } from './failures'
import { registerIn } from './register'
import type { ConsumerSettings } from './settings'
import { readReached } from './sql'
import { CAUGHT_UP_OPTIONS, RUN_ONCE_OPTIONS, STOP_OPTIONS } from './types'
import type { CaughtUpOptions, Consumer, ConsumerStatus, RunOnceOptions, RunOnceResult } from './types'
import type { ConsumerGauge } from './watching'
import { createWorker } from './worker'
import type { Worker, WorkerParts } from './worker'

const DRAIN_MS = 10_000
const CAUGHT_UP_MS = 30_000
const RUN_ONCE_MS = 10_000
const LOOK_MS = 20

export interface ConsumerParts extends WorkerParts {
  /** As `use`, for calls of the caller: refused once the store is closed, while the work under way still ends. */
  call: WorkerParts['use']
}

/** A consumer that is at work in this process. */
export interface Running {
  readonly name: string
  gauge(): ConsumerGauge
  wake(): void
  stop(): Promise<void>
  /** Attempts that have failed at the event at which all others wait: global order. */
  attempts(): number
}

export interface OwnConsumer {
  consumer: Consumer
  gaveUp(): boolean
}

/** What is under way between a start and its end. */
interface Work {
  registered: Promise<void>
  /** Stops it when the signal aborts; each start may have one. */
  endsWith(signal: AbortSignal | undefined): void
  ended: Promise<void>
  stopping: AbortController
  killed: AbortController
  worker: Worker
}

/** It is in `atWork` between its start and its end. */
export function createConsumer(parts: ConsumerParts, settings: ConsumerSettings, atWork: Set<Running>): OwnConsumer {
  const { context, call, reader, logger } = parts
  const { name } = settings
  const running = {}
  let state: Exclude<ConsumerStatus['state'], 'paused'> = 'idle'
  let error: unknown
  let isPaused = false
  let work: Work | undefined

  async function register(): Promise<void> {
    const { isPull, isRelay } = await registerIn({ context, call, reader }, { ...settings, pull: null })
    if (isPull) {
      throw new StoreError('INVALID_CALL', `consumer ${JSON.stringify(name)} is one whose events are claimed with store.leases: take another name, or remove it first with store.admin.consumers.remove()`, { details: { consumer: name } })
    }
    // What it passes over would count as published.
    if (isRelay && !settings.onRegister) {
      throw new StoreError('INVALID_CALL', `consumer ${JSON.stringify(name)} is a relay of the outbox: take another name, or remove it first with store.admin.consumers.remove()`, { details: { consumer: name } })
    }
    await settings.onRegister?.()
  }

  /** Whether everything up to a position is handled or has failed, and where the consumer stands. */
  async function reached(position: bigint): Promise<{ at: bigint | undefined, isLeftBehind: boolean, isReached: boolean }> {
    const { rows: [row] } = await call(session => session.query(readReached(context, name, position)))
    const at = row?.position == null ? undefined : BigInt(row.position as string)
    const isLeftBehind = row?.isLeftBehind === true
    return { at, isLeftBehind, isReached: at !== undefined && at >= position && !isLeftBehind }
  }

  async function waitFor(position: bigint, given: CaughtUpOptions | undefined): Promise<void> {
    const { timeout = CAUGHT_UP_MS } = checkOptions('options', given, CAUGHT_UP_OPTIONS)
    const until = performance.now() + checkMilliseconds('options.timeout', timeout)
    for (;;) {
      const { at, isLeftBehind, isReached } = await reached(position)
      if (isReached) return
      if (state === 'failed') throw error
      if (performance.now() > until) {
        const cause = isLeftBehind ? ': a slow handler, which others have overtaken, is still at an event before it' : ''
        throw new StoreError('TIMEOUT', `consumer ${JSON.stringify(name)} has not reached position ${position} within ${timeout} ms${cause}`, { details: { consumer: name, position: String(position), reached: at === undefined ? null : String(at) } })
      }
      await sleep(LOOK_MS)
    }
  }

  async function stop(given?: { drainMs?: number }): Promise<void> {
    const { drainMs = DRAIN_MS } = checkOptions('options', given, STOP_OPTIONS)
    checkMilliseconds('options.drainMs', drainMs)
    if (!work) return
    const { ended, stopping, killed, worker } = work
    stopping.abort()
    worker.wake()
    // A handler that stops its own consumer can't wait for its own end.
    if (isInside(running)) return
    if (!await inTime(ended, drainMs)) killed.abort(new StoreError('CLOSED', `consumer ${JSON.stringify(name)} was stopped`))
    await ended
  }

  async function start(signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return
    if (work?.stopping.signal.aborted) {
      if (isInside(running)) throw new StoreError('INVALID_CALL', `start() inside a handler of consumer ${JSON.stringify(name)}, which is being stopped, would wait for itself: call it when stop() has resolved`, { details: { consumer: name } })
      await work.ended
      return start(signal)
    }
    work ??= begin(false)
    work.endsWith(signal)
    await work.registered
  }

  /** Registers the consumer and begins to work. A failure to register is that of `registered`; `ended` never rejects. */
  function begin(once: boolean): Work {
    const stopping = new AbortController()
    const killed = createKill()
    const worker = createWorker({
      ...parts, ...once && { listen: () => async () => {} }, once, settings, stopping: stopping.signal, killed: killed.signal, isPaused: () => isPaused,
    })
    const self: Running = { name, gauge: () => ({ shards: worker.shards(), lag: worker.lag() }), wake: worker.wake, stop: () => stop(), attempts: worker.attempts }
    atWork.add(self)
    const signals = new Set<AbortSignal>()
    const onAbort = () => void stop()
    const registered = register().then(() => {
      state = 'running'
      error = undefined
    })
    const run = () => runInside(running, worker.run).then(() => {
      state = 'stopped'
    }, (failure: unknown) => {
      state = killed.signal.aborted ? 'stopped' : 'failed'
      if (state === 'stopped') return
      error = failure instanceof Exhausted ? exhaustedError(name, failure) : failure
      logger.error(messageOf(error), error)
    })
    const ended = registered.then(run, () => undefined).finally(() => {
      work = undefined
      atWork.delete(self)
      for (const signal of signals) signal.removeEventListener('abort', onAbort)
    })
    function endsWith(signal: AbortSignal | undefined): void {
      if (!signal) return
      signals.add(signal)
      signal.addEventListener('abort', onAbort)
    }
    return work = { registered, endsWith, ended, stopping, killed, worker }
  }

  const isAtWork = () => work !== undefined

  async function runOnce(given?: RunOnceOptions): Promise<RunOnceResult> {
    const { maxMs = RUN_ONCE_MS, ...drain } = checkOptions('options', given, RUN_ONCE_OPTIONS)
    const until = performance.now() + checkMilliseconds('options.maxMs', maxMs)
    checkMilliseconds('options.drainMs', drain.drainMs ?? DRAIN_MS)
    if (isAtWork()) throw new StoreError('INVALID_CALL', `consumer ${JSON.stringify(name)} is at work in this process already: runOnce() is for processes that do not start() it`, { details: { consumer: name } })
    const run = begin(true)
    try {
      await run.registered
      const { head } = await reader.mark()
      while (isAtWork() && performance.now() < until && run.worker.isBusy(head)) await sleep(LOOK_MS)
      await stop(drain)
      if (state === 'failed') throw error
      return { handled: run.worker.handled(), caughtUp: (await reached(head)).isReached }
    }
    finally {
      await stop(drain)
    }
  }

  const consumer: Consumer = {
    name,
    start,
    runOnce,
    stop,
    pause() {
      isPaused = true
    },
    resume() {
      isPaused = false
      work?.worker.wake()
    },
    whenCaughtUp: async options => waitFor((await reader.mark()).head, options),
    whenProcessed: async (position, options) => waitFor(BigInt(checkPosition('position', position)), options),
    async status() {
      const { infos: [info], head } = await readInfos({ context, use: call, reader }, name)
      return {
        name, state: state === 'running' && isPaused ? 'paused' : state,
        position: info?.position ?? null, head: String(head), lag: info?.lag ?? Number(head), lagMs: info?.lagMs ?? null, staleMs: info?.staleMs ?? null,
        shards: { all: settings.shards, held: info?.shards.held ?? 0, here: work?.worker.shards() ?? 0 }, parked: info?.parked ?? 0, blocked: info?.blocked ?? 0,
        ...error !== undefined && { error },
      }
    },
  }
  return { consumer, gaveUp: () => state === 'failed' }
}
