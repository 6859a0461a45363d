import { createBackoff } from '../../shared/backoff'
import type { BackoffOptions } from '../../shared/backoff'
import { messageOf } from '../../shared/errors'
import type { Logger } from '../../shared/types'
import type { GlobalEvent, HighWaterMark } from '../types'
import { isGlob } from '../../shared/glob'
import type { GlobalReader } from '../reader'
import { createSubscriberIndex } from './subscriberIndex'
import { createBusyFollowers } from './busyFollowers'
import type { Follower, SharedReader } from './follower'
import { QUEUE, isPermanent } from './follower'
import { createHistory } from '../history'
import type { HistoryChange, Parting } from '../history'
import { createWakeablePause } from './wakeablePause'
import { detectStalledOrder } from './stalledOrder'

const PAGE = 500
// How long the shared reader waits for full queues; a follower whose queue is still full then reads on its own.
const GRACE_MS = 20
const LOOKS: BackoffOptions = { first: 2, max: 50 }
const MAX_ERROR_PAUSE_MS = 10_000
// Filtering by a longer list of subjects costs more than the rows that it would exclude.
const MAX_LISTED = 1_000
// The number of history changes that are remembered for subscriptions that start at an older position.
const MAX_GONE = 16

export interface Tail extends SharedReader {
  /** Reads from now on; resolves with the position it starts at. */
  start(): Promise<bigint>
  join(follower: Follower): void
  leave(follower: Follower): void
  /** Resolves when reading and listening have ended, which requires that all followers have left. */
  ended(): Promise<void>
  wake(): void
  /** Whether a follower's subject or glob matches this subject. */
  serves(subject: string): boolean
  /** The position to continue from: `position`, or a lower one when that belongs to a history that was lost. */
  resume(position: bigint): Promise<bigint>
}

interface TailOptions {
  reader: GlobalReader
  pollInterval: number
  logger: Logger
  /** Listens for notifications, until the returned function is called. */
  listen(): () => Promise<void>
  /** Called for the first of several failed reads in succession. */
  onTrouble?(error: unknown): void
  onHistoryChange?(change: HistoryChange): void
}

/** The end of the global order: the shared reader of all followers of this process, active while there are any. */
export function createTail({ reader, pollInterval, logger, listen, onTrouble = () => {}, onHistoryChange = () => {} }: TailOptions): Tail {
  const followers = new Set<Follower>()
  const all = createSubscriberIndex()
  const live = createSubscriberIndex()
  const busy = createBusyFollowers()
  const pause = createWakeablePause()
  const history = createHistory(reader)
  const gone: { shared: bigint, position: bigint }[] = []
  let position = BigInt(0)
  let seenOn: string | undefined
  let running = false
  let ended = Promise.resolve()
  let starting: Promise<bigint> | undefined
  // The read in progress: the followers it includes, and its end.
  let scan: { included: Set<Follower>, done: Promise<void> } | undefined

  async function run(): Promise<void> {
    const stopListening = listen()
    const isStalled = detectStalledOrder({ toleranceMs: pollInterval, logger })
    let versions: Map<string, string> | undefined
    const looks = createBackoff(LOOKS)
    const errors = createBackoff({ first: pollInterval * 2, max: MAX_ERROR_PAUSE_MS })
    while (followers.size > 0) {
      try {
        const before = position
        const mark = await reader.mark()
        await advance(mark)
        errors.reset()
        versions = isStalled(position === before && position < mark.head) ? await bypass(versions) : undefined
        if (position > before) looks.reset()
        await pause.wait(position < mark.head && !versions ? Math.min(looks.next(), pollInterval) : pollInterval)
      }
      catch (error) {
        if (isPermanent(error)) followers.forEach(follower => follower.fail(error))
        else if (errors.pauses === 0) onTrouble(error)
        await pause.wait(errors.next())
      }
    }
    running = false
    await stopListening()
  }

  async function advance(mark: HighWaterMark): Promise<void> {
    const { safePosition } = mark
    // Most polls find no new event and the same server: these skip the check.
    const parting = safePosition === position && mark.history === seenOn ? undefined : await history.check(mark, position)
    seenOn = mark.history
    if (parting) rewind(parting)
    if (safePosition <= position) return
    let finish = () => {}
    scan = { included: new Set(followers), done: new Promise((resolve) => {
      finish = resolve
    }) }
    try {
      let delivered = 0
      for await (const events of reader.pages({ after: position, upTo: safePosition, subjects: listed(all.subjects()), page: PAGE })) {
        for (const event of events) {
          deliver(event)
          history.saw(event)
          position = BigInt(event.event.id)
          if (++delivered % (QUEUE / 2) === 0) await busy.drained(GRACE_MS)
        }
      }
      position = safePosition
    }
    finally {
      scan = undefined
      finish()
    }
  }

  /**
   * Called while an open transaction stalls the global order. The events of one subject commit in the order of their
   * ids, so followers of a subject need not wait: they read on their own when its version has changed.
   */
  async function bypass(known?: Map<string, string>): Promise<Map<string, string>> {
    const versions = await reader.versions(all.subjects().filter(subject => !isGlob(subject)))
    for (const follower of followers) {
      if (known && known.get(follower.subject) === versions.get(follower.subject)) continue
      if (isGlob(follower.subject)) continue
      detach(follower)
      follower.catchUp()
    }
    return versions
  }

  function deliver(event: GlobalEvent): void {
    for (const follower of live.of(event.subject)) {
      if (follower.offer(event)) busy.add(follower)
      else detach(follower)
    }
  }

  function detach(follower: Follower): void {
    live.delete(follower)
    busy.delete(follower)
  }

  /** After a failover the new primary may lack the last events of the old one, and assigns their ids again. */
  function rewind({ shared, isChanged }: Parting): void {
    if (isChanged) {
      const change = { position: String(position), shared: String(shared) }
      logger.warn(`the database has gone back from event ${change.position} to ${change.shared}: subscriptions continue from there, some events may be delivered twice`)
      gone.push({ shared, position })
      if (gone.length > MAX_GONE) gone.shift()
      onHistoryChange(change)
    }
    position = shared
    followers.forEach(follower => follower.rewind(shared, isChanged))
  }

  async function begin(): Promise<bigint> {
    const mark = await reader.mark()
    // A concurrent start may have been faster, and have advanced.
    if (running) return position
    await history.begin(mark, mark.safePosition)
    seenOn = mark.history
    return position = mark.safePosition
  }

  return {
    start() {
      if (running) return history.anchor(position).then(() => position)
      return starting ??= begin().finally(() => {
        starting = undefined
      })
    },
    join(follower) {
      followers.add(follower)
      all.add(follower)
      if (running) return
      running = true
      ended = run().catch((error: unknown) => logger.warn(`ending LISTEN for new events failed: ${messageOf(error)}`))
    },
    leave(follower) {
      followers.delete(follower)
      all.delete(follower)
      detach(follower)
      if (followers.size === 0) pause.wake()
    },
    ended: () => ended,
    wake: pause.wake,
    serves: all.has,
    admit(follower, upTo) {
      // A read in progress includes this follower: `position` waited for any other.
      if (position !== upTo) return false
      live.add(follower)
      return true
    },
    async position(follower) {
      while (scan && !scan.included.has(follower)) await scan.done
      return position
    },
    drained: busy.delete,
    async resume(from) {
      const start = gone.reduce((at, { shared, position }) => at > shared && at <= position ? shared : at, from)
      if (start <= position) return start
      const { head } = await reader.mark()
      return start < head ? start : head
    },
  }
}

const listed = (subjects: string[]) => subjects.length > MAX_LISTED ? undefined : subjects
