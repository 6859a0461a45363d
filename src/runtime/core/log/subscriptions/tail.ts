import { createBackoff } from '../../shared/backoff'
import type { BackoffOptions } from '../../shared/backoff'
import { messageOf } from '../../shared/errors'
import type { Logger } from '../../shared/types'
import type { GlobalEvent, HighWaterMark } from '../types'
import { isGlob } from '../../shared/glob'
import type { GlobalReader } from '../reader'
import { createSubscriberIndex } from './subscriberIndex'
import { createBusyFollowers } from './busyFollowers'
import type { Follower, Leader } from './follower'
import { QUEUE, isHopeless } from './follower'
import { createHistory } from '../history'
import type { HistoryChange, Parting } from '../history'
import { createWakeablePause } from './wakeablePause'
import { detectStalledOrder } from './stalledOrder'

const PAGE = 500
// Live followers get this long to make room; who has not is left behind, and reads on its own.
const GRACE_MS = 20
const LOOKS: BackoffOptions = { first: 2, max: 50 }
const MAX_ERROR_PAUSE_MS = 10_000
// A list of more subjects costs more than the rows it would leave out.
const MAX_LISTED = 1_000
// Changes of the history that are remembered, for readers that come back.
const MAX_GONE = 16

export interface Tail extends Leader {
  /** Follows from now on; resolves with how far the tail is when it does. */
  start(): Promise<bigint>
  join(follower: Follower): void
  leave(follower: Follower): void
  /** Resolves when nothing is read or listened to any more; everybody has to have left before. */
  ended(): Promise<void>
  wake(): void
  /** Whether somebody follows this subject. */
  serves(subject: string): boolean
  /** The position to go on from for who was at this one: a lower one when it is of a history that has gone. */
  resume(position: bigint): Promise<bigint>
}

interface TailOptions {
  reader: GlobalReader
  pollInterval: number
  logger: Logger
  /** Begins to listen for wakes; the result ends it. */
  listen(): () => Promise<void>
  /** Told of reading that fails, once until it works again. */
  onTrouble?(error: unknown): void
  onHistoryChange?(change: HistoryChange): void
}

/** The end of the global order: read once for all followers of this process, while there are any. */
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
  // While a page is on its way: who is part of it, and when it is done.
  let scan: { included: Set<Follower>, done: Promise<void> } | undefined

  async function run(): Promise<void> {
    const stopListening = listen()
    const isStalled = detectStalledOrder({ patience: pollInterval, logger })
    let versions: Map<string, string> | undefined
    const looks = createBackoff(LOOKS)
    const errors = createBackoff({ first: pollInterval * 2, max: MAX_ERROR_PAUSE_MS })
    while (followers.size > 0) {
      try {
        const before = position
        const mark = await reader.mark()
        await advance(mark)
        errors.reset()
        versions = isStalled(position === before && position < mark.head) ? await goAround(versions) : undefined
        if (position > before) looks.reset()
        await pause.wait(position < mark.head && !versions ? Math.min(looks.next(), pollInterval) : pollInterval)
      }
      catch (error) {
        if (isHopeless(error)) followers.forEach(follower => follower.fail(error))
        else if (errors.pauses === 0) onTrouble(error)
        await pause.wait(errors.next())
      }
    }
    running = false
    await stopListening()
  }

  async function advance(mark: HighWaterMark): Promise<void> {
    const { safePosition } = mark
    // Most looks find nothing new, and the server that answered before.
    const parting = safePosition === position && mark.history === seenOn ? undefined : await history.check(mark, position)
    seenOn = mark.history
    if (parting) rewind(parting)
    if (safePosition <= position) return
    let finish = () => {}
    scan = { included: new Set(followers), done: new Promise((resolve) => {
      finish = resolve
    }) }
    try {
      let given = 0
      for await (const events of reader.pages({ after: position, upTo: safePosition, subjects: listed(all.subjects()), page: PAGE })) {
        for (const event of events) {
          give(event)
          history.saw(event)
          position = BigInt(event.event.id)
          if (++given % (QUEUE / 2) === 0) await busy.drained(GRACE_MS)
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
   * A transaction holds the global order up. The events of one subject commit in the order of their ids: followers
   * of a subject need not wait, and read on their own when its version has changed.
   */
  async function goAround(known?: Map<string, string>): Promise<Map<string, string>> {
    const versions = await reader.versions(all.subjects().filter(subject => !isGlob(subject)))
    for (const follower of followers) {
      if (known && known.get(follower.subject) === versions.get(follower.subject)) continue
      if (isGlob(follower.subject)) continue
      leaveBehind(follower)
      follower.nudge()
    }
    return versions
  }

  function give(event: GlobalEvent): void {
    for (const follower of live.of(event.subject)) {
      if (follower.offer(event)) busy.add(follower)
      else leaveBehind(follower)
    }
  }

  function leaveBehind(follower: Follower): void {
    live.delete(follower)
    busy.delete(follower)
  }

  /** A server that took over may not have the last events of the one before it, and gives out their ids again. */
  function rewind({ shared, isChanged }: Parting): void {
    if (isChanged) {
      const change = { position: String(position), shared: String(shared) }
      logger.warn(`the database has gone back from event ${change.position} to ${change.shared}: subscriptions go on from there, some events may come again`)
      gone.push({ shared, position })
      if (gone.length > MAX_GONE) gone.shift()
      onHistoryChange(change)
    }
    position = shared
    followers.forEach(follower => follower.rewind(shared, isChanged))
  }

  async function begin(): Promise<bigint> {
    const mark = await reader.mark()
    // Another start may have been first, and be further.
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
      ended = run().catch((error: unknown) => logger.warn(`listening for new events did not end well: ${messageOf(error)}`))
    },
    leave(follower) {
      followers.delete(follower)
      all.delete(follower)
      leaveBehind(follower)
      if (followers.size === 0) pause.wake()
    },
    ended: () => ended,
    wake: pause.wake,
    serves: all.has,
    admit(follower, upTo) {
      // A page that is on its way has it in: `position` waited for any other.
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
