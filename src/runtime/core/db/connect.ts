import { setTimeout as sleep } from 'node:timers/promises'
import { createBackoff } from '../shared/backoff'
import type { BackoffOptions } from '../shared/backoff'
import { StoreError, closedError } from '../shared/errors'
import { toStoreError } from './errors'
import { openDb } from './open'
import { requireSafePath } from './searchPath'
import type { Db, DbOptions } from './types'
import { unref } from '../shared/timer'

const PAUSES: BackoffOptions = { first: 100, max: 10_000 }
// How long `close` waits for an attempt to start, in milliseconds. A migration may run for longer; its connections are
// closed when it ends.
const LAST_ATTEMPT_MS = 2_000

/** The result of a start: the database, and the value prepared on it. */
export interface Started<T> {
  db: Db
  value: T
}

/** For connections that a start opens while it prepares. */
export type Prepare = Required<Pick<DbOptions, 'signal' | 'onConnectionLost'>>

/** Manages the store's database: opens it once, retries when that fails, and closes it after the last call. */
export interface Connector<T> {
  /**
   * Counts a call as running until `leave`: `close` waits for it.
   * @throws {StoreError} CLOSED after `close`
   */
  enter(): void
  leave(calls: number): void
  /** Runs a call between `enter` and `leave`. */
  call<R>(run: () => Promise<R>): Promise<R>
  /** Runs a part of a call once the database is ready. */
  use<R>(work: (started: Started<T>) => Promise<R>): Promise<R>
  start(): Promise<Started<T>>
  /** The result of the last successful start, without starting anything. */
  current(): Started<T> | undefined
  /** Forgets the failure of the last start, so that the next call starts again. */
  resetFailure(): Promise<void>
  /** Closes idle connections, unless calls are running. */
  releaseIdle(): Promise<void>
  /** Refuses new calls. Running calls, and parts of them, continue. */
  refuse(): void
  /** Sets the listener that is called for every connection that breaks while idle. */
  onConnectionLost(listener: (error: StoreError) => void): void
  close(): Promise<void>
}

/**
 * When the database can't be reached, the connector retries with backoff for `connectTimeout` milliseconds. Then the
 * waiting calls reject, and retries continue in the background, so that the store recovers by itself.
 */
export function createConnector<T>(options: DbOptions, prepare: (db: Db, on: Prepare) => Promise<T>): Connector<T> {
  let started: Started<T> | undefined
  let starting: Promise<Started<T>> | undefined
  let opening: Promise<Started<T>> | undefined
  let failure: StoreError | undefined
  let retry: NodeJS.Timeout | undefined
  let retrying: Promise<unknown> | undefined
  let closing: Promise<void> | undefined
  let inFlight = 0
  let onIdle = () => {}
  let lost: (error: StoreError) => void = () => {}
  const onConnectionLost = (error: StoreError) => lost(error)
  const abort = new AbortController()
  const aborted = new Promise<void>((resolve) => {
    abort.signal.addEventListener('abort', () => resolve(), { once: true })
  })

  async function attempt(): Promise<Started<T>> {
    const db = await openDb({ ...options, signal: abort.signal, onConnectionLost })
    try {
      await requireSafePath(db)
      await db.inspect()
      return { db, value: await prepare(db, { signal: abort.signal, onConnectionLost }) }
    }
    catch (error) {
      await db.close()
      throw error
    }
  }

  async function attempts(): Promise<Started<T>> {
    const deadline = Date.now() + options.connectTimeout
    for (const backoff = createBackoff(PAUSES); ;) {
      try {
        return await attempt()
      }
      catch (error) {
        const reason = toStoreError(error)
        const delay = backoff.next()
        if (!reason.retryable || Date.now() + delay > deadline) throw startError(reason)
        options.onWait?.(startError(reason))
        await sleep(delay, undefined, { signal: abort.signal }).catch(refused)
      }
    }
  }

  function startError(reason: StoreError): StoreError {
    if (reason.code !== 'CONNECTION' && reason.code !== 'TIMEOUT') return reason
    return new StoreError(reason.code, `the database can't be reached: ${reason.message}`, {
      cause: reason.cause ?? reason, retryable: reason.retryable, details: reason.details,
    })
  }

  function retryLater(backoff = createBackoff(PAUSES)): void {
    if (abort.signal.aborted) return
    retry = setTimeout(() => {
      retrying = attempt().then(succeed).catch((error: unknown) => {
        failure = startError(toStoreError(error))
        retryLater(backoff)
      })
    }, backoff.next())
    unref(retry)
  }

  async function succeed(result: Started<T>): Promise<Started<T>> {
    if (abort.signal.aborted) {
      await result.db.close()
      throw closedError()
    }
    failure = undefined
    started = result
    return result
  }

  const refused = (): never => {
    throw closedError()
  }

  async function start(): Promise<Started<T>> {
    if (abort.signal.aborted) throw closedError()
    if (started) return started
    if (failure) throw failure
    // When the store is closed, waiting calls reject at once instead of waiting for the current attempt.
    starting ??= Promise.race([opening = attempts().then(succeed), aborted.then(refused)]).catch((error: unknown) => {
      failure = toStoreError(error)
      retryLater()
      throw failure
    }).finally(() => {
      starting = undefined
    })
    return starting
  }

  async function shutDown(): Promise<void> {
    abort.abort()
    clearTimeout(retry)
    // A failed start rejects the calls that wait for it; here only its end matters.
    await Promise.race([opening?.catch(() => undefined), sleep(LAST_ATTEMPT_MS, undefined, { ref: false })])
    if (inFlight > 0) await new Promise<void>((resolve) => {
      onIdle = resolve
    })
    await started?.db.close()
  }

  function enter(): void {
    if (abort.signal.aborted) throw closedError()
    inFlight++
  }

  function leave(calls: number): void {
    inFlight -= calls
    if (inFlight === 0) onIdle()
  }

  return {
    start,
    enter,
    leave,
    async call(run) {
      enter()
      try {
        return await run()
      }
      finally {
        leave(1)
      }
    },
    use(work) {
      if (!started) return start().then(work)
      try {
        return work(started)
      }
      catch (error) {
        return Promise.reject(error as Error)
      }
    },
    current: () => started,
    async resetFailure() {
      // A running attempt may hold the database, or the lock of its directory.
      await retrying
      clearTimeout(retry)
      failure = undefined
    },
    async releaseIdle() {
      if (inFlight === 0 && !abort.signal.aborted) await started?.db.releaseIdle()
    },
    refuse: () => abort.abort(),
    onConnectionLost(listener) {
      lost = listener
    },
    close: () => closing ??= shutDown(),
  }
}
