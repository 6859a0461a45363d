import { AsyncLocalStorage } from 'node:async_hooks'
import { createBackoff } from '../../shared/backoff'
import { isStoreError } from '../../shared/errors'
import type { StoreError, StoreErrorCode } from '../../shared/errors'
import type { GlobalEvent } from '../types'
import { inTime } from '../../shared/timer'
import { createWakeablePause } from './wakeablePause'

/** Events that wait for one callback; and those a follower reads at once when it reads on its own. */
export const QUEUE = 100
const FIRST_ERROR_PAUSE_MS = 100
const MAX_ERROR_PAUSE_MS = 10_000
/** The end of a subscription waits this long for a callback that is running. */
export const CALLBACK_GRACE_MS = 5_000

// A callback may end subscriptions, or close the store: that must not wait for a callback that waits for it.
const delivering = new AsyncLocalStorage<{ release(): void }>()

/** Nobody waits any longer for the callback that calls this, if one does. */
export const releaseCallback = (): void => delivering.getStore()?.release()

// What reading would fail with for ever. Everything else may mend: the database comes back, a right is given again.
const HOPELESS = new Set<StoreErrorCode>(['INVALID_VALUE', 'INVALID_OPTION', 'INVALID_CALL', 'CLOSED'])
export const isHopeless = (error: unknown): error is StoreError => isStoreError(error) && HOPELESS.has(error.code)

/** What followers share: it reads new events once for all of them. */
export interface Leader {
  /** Lets a follower that has everything up to `upTo` go live; false when the leader is elsewhere by now. */
  admit(follower: Follower, upTo: bigint): boolean
  /** How far the leader is; waits while it is busy with a page that leaves this follower out. */
  position(follower: Follower): Promise<bigint>
  /** The follower has no event left to wait for. */
  drained(follower: Follower): void
}

export interface Follower {
  readonly subject: string
  /** Gives a live follower an event; false when it can't keep up and reads on its own from now on. */
  offer(event: GlobalEvent): boolean
  /** There is something new the leader can't give yet: reads on its own. */
  nudge(): void
  /** What lies behind `to` may not be what it was: when it has changed, it is given again. */
  rewind(to: bigint, isChanged: boolean): void
  fail(error: unknown): void
  /** Gives nothing more from now on; resolves when the callback that is running has returned, or takes too long. */
  stop(): Promise<void>
}

interface FollowerOptions {
  subject: string
  /** Only events after this id. */
  after: bigint
  leader: Leader
  /** Events of the subject in `(after, upTo]`, oldest first; of a single subject also later ones. */
  history(after: bigint, upTo: bigint, limit: number): Promise<GlobalEvent[]>
  onEvent(event: GlobalEvent): unknown
  /** Told at once when it is stopped. */
  onStop?(): void
  /** Told of the callback that is not waited for any longer. */
  onStuck?(): void
  /** Told of reading that fails, once until it works again: it is tried with growing pauses. */
  onTrouble?(error: unknown): void
  /** Told when it has ended, and the last callback has returned. */
  onEnd(error?: unknown): void
}

/**
 * One subscription. It reads on its own until it has reached the leader, then takes what the leader gives; when its
 * callback is too slow for that, it reads on its own again. Its memory is bounded by one queue either way.
 */
export function follow({ subject, after, leader, history, ...on }: FollowerOptions): Follower {
  const pause = createWakeablePause()
  let queue: GlobalEvent[] = []
  let position = after
  // Of the last event that was read: unlike the position, it is one that has been there.
  let received = BigInt(0)
  let rewinds = 0
  let live = false
  let stopped = false
  let failure: { error: unknown } | undefined
  const backoff = createBackoff({ first: FIRST_ERROR_PAUSE_MS, max: MAX_ERROR_PAUSE_MS })
  let delivered = Promise.resolve()

  async function catchUp(): Promise<void> {
    const before = rewinds
    const upTo = await leader.position(follower)
    const events = await history(position, upTo, QUEUE)
    // What was read may be of another history than what went before it.
    if (rewinds !== before) return
    queue = events
    if (events.length > 0) position = received = BigInt(events.at(-1)!.event.id)
    if (events.length === QUEUE) return
    if (upTo > position) position = upTo
    live = leader.admit(follower, upTo)
  }

  async function catchUpPatiently(): Promise<void> {
    try {
      await catchUp()
      backoff.reset()
    }
    catch (error) {
      if (stopped) return
      if (isHopeless(error)) throw error
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
        if (queue.length === 0) leader.drained(follower)
        await deliver(event)
      }
      else if (live) {
        await pause.wait()
      }
      else {
        await catchUpPatiently()
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
    nudge() {
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
