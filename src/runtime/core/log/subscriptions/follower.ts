import { AsyncLocalStorage } from 'node:async_hooks'
import { createBackoff } from '../../shared/backoff'
import { isStoreError } from '../../shared/errors'
import type { StoreError, StoreErrorCode } from '../../shared/errors'
import type { GlobalEvent } from '../types'
import { inTime } from '../../shared/timer'
import { createWakeablePause } from './wakeablePause'

/** Maximum number of events that wait for one callback, and page size of a follower that reads on its own. */
export const QUEUE = 100
const FIRST_ERROR_PAUSE_MS = 100
const MAX_ERROR_PAUSE_MS = 10_000
/** How long the end of a subscription waits for a running callback. */
export const CALLBACK_GRACE_MS = 5_000

// A callback may end its subscription or close the store. Neither may wait for this callback: that would be a deadlock.
const delivering = new AsyncLocalStorage<{ release(): void }>()

/** When called inside a callback: ends all waiting for it. */
export const releaseCallback = (): void => delivering.getStore()?.release()

// Errors that every retry would repeat. Others may be transient: the database recovers, a right is granted again.
const PERMANENT = new Set<StoreErrorCode>(['INVALID_VALUE', 'INVALID_OPTION', 'INVALID_CALL', 'CLOSED'])
export const isPermanent = (error: unknown): error is StoreError => isStoreError(error) && PERMANENT.has(error.code)

/** Reads new events once for all followers of this process. */
export interface SharedReader {
  /** Makes a follower live that has everything up to `upTo`; false when the shared reader is at another position by now. */
  admit(follower: Follower, upTo: bigint): boolean
  /** The position of the shared reader; waits for a read in progress that does not include this follower. */
  position(follower: Follower): Promise<bigint>
  /** The queue of the follower is empty. */
  drained(follower: Follower): void
}

export interface Follower {
  readonly subject: string
  /** Queues an event for a live follower; false when it can't keep up and reads on its own from now on. */
  offer(event: GlobalEvent): boolean
  /** Reads on its own from now on: there are new events that the shared reader can't deliver yet. */
  catchUp(): void
  /** Events after `to` may have changed; with `isChanged` they have, and are delivered again. */
  rewind(to: bigint, isChanged: boolean): void
  fail(error: unknown): void
  /** Delivers no further event; resolves when a running callback has returned, or after `CALLBACK_GRACE_MS`. */
  stop(): Promise<void>
}

interface FollowerOptions {
  subject: string
  /** Only events after this id. */
  after: bigint
  sharedReader: SharedReader
  /** Events of the subject in `(after, upTo]`, oldest first; for a single subject also later ones. */
  history(after: bigint, upTo: bigint, limit: number): Promise<GlobalEvent[]>
  onEvent(event: GlobalEvent): unknown
  /** Called at once by `stop`. */
  onStop?(): void
  /** Called when `stop` gives up waiting for a callback. */
  onStuck?(): void
  /** Called for the first of several failed reads in succession; they are retried with growing pauses. */
  onTrouble?(error: unknown): void
  /** Called after the last callback has returned. */
  onEnd(error?: unknown): void
}

/**
 * One subscription. It reads on its own until it has reached the shared reader, then gets its events from it. When its
 * callback is too slow for that, it reads on its own again. In both cases its memory is bounded by one queue.
 */
export function follow({ subject, after, sharedReader, history, ...on }: FollowerOptions): Follower {
  const pause = createWakeablePause()
  let queue: GlobalEvent[] = []
  let position = after
  // The id of the last event that was read. Unlike `position`, an event with this id existed.
  let received = BigInt(0)
  let rewinds = 0
  let live = false
  let stopped = false
  let failure: { error: unknown } | undefined
  const backoff = createBackoff({ first: FIRST_ERROR_PAUSE_MS, max: MAX_ERROR_PAUSE_MS })
  let delivered = Promise.resolve()

  async function readPage(): Promise<void> {
    const before = rewinds
    const upTo = await sharedReader.position(follower)
    const events = await history(position, upTo, QUEUE)
    // The page may belong to another history than the events before it.
    if (rewinds !== before) return
    queue = events
    if (events.length > 0) position = received = BigInt(events.at(-1)!.event.id)
    if (events.length === QUEUE) return
    if (upTo > position) position = upTo
    live = sharedReader.admit(follower, upTo)
  }

  async function readPageOrPause(): Promise<void> {
    try {
      await readPage()
      backoff.reset()
    }
    catch (error) {
      if (stopped) return
      if (isPermanent(error)) throw error
      if (backoff.pauses === 0) on.onTrouble?.(error)
      await pause.wait(backoff.next())
    }
  }

  async function deliver(event: GlobalEvent): Promise<void> {
    let release = () => {}
    delivered = new Promise((resolve) => {
      release = resolve
    })
    try {
      await delivering.run({ release }, async () => on.onEvent(event))
    }
    finally {
      release()
    }
  }

  async function run(): Promise<void> {
    while (!stopped) {
      if (failure) throw failure.error
      const event = queue.shift()
      if (event) {
        if (queue.length === 0) sharedReader.drained(follower)
        await deliver(event)
      }
      else if (live) {
        await pause.wait()
      }
      else {
        await readPageOrPause()
      }
    }
  }

  const follower: Follower = {
    subject,
    offer(event) {
      const id = BigInt(event.event.id)
      if (!live || id <= position) return live
      live = queue.length < QUEUE
      if (live) {
        queue.push(event)
        position = received = id
        pause.wake()
      }
      return live
    },
    catchUp() {
      live = false
      pause.wake()
    },
    rewind(to, isChanged) {
      if (position <= to) return
      rewinds++
      if (isChanged) queue = queue.filter(({ event }) => BigInt(event.id) <= to)
      position = isChanged || received < to ? to : received
    },
    fail(error) {
      failure ??= { error }
      pause.wake()
    },
    async stop() {
      stopped = true
      pause.wake()
      on.onStop?.()
      releaseCallback()
      if (!await inTime(delivered, CALLBACK_GRACE_MS)) on.onStuck?.()
    },
  }
  run().then(() => on.onEnd(), on.onEnd)
  return follower
}
