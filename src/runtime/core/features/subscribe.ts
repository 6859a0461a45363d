import { AsyncLocalStorage } from 'node:async_hooks'
import { randomUUID } from 'node:crypto'
import { checkFunction, checkName, checkOptions } from '../arguments'
import type { Logger } from '../options'
import { isStoreError } from '../errors'
import type { EventRecord, StreamSubscription, StreamSurface, SubscribeOptions } from '../types/index'

const PAGE = 500
const MAX_ERROR_PAUSE_MS = 10_000

// A callback may end its own subscription, or close the store: that must not wait for the callback.
const delivering = new AsyncLocalStorage<object>()

interface Subscriptions {
  subscribe: StreamSurface['subscribe']
  /** An event was appended here: its subscribers need not wait for the next look. */
  wake(subject: string): void
  /** How many are open. */
  count(): number
  close(): Promise<void>
}

/**
 * Follows subjects by looking for events after the last one seen. The events of a subject commit in the order
 * of their ids (the head row is locked until then), so nothing is skipped and nothing comes twice.
 */
export function createSubscriptions(
  read: StreamSurface['read'], options: { pollInterval: number, logger: Logger },
): Subscriptions {
  const open = new Map<string, Set<Follower>>()

  return {
    async subscribe(subject, onEvent, given?: SubscribeOptions) {
      checkName('subject', subject)
      checkFunction('onEvent', onEvent)
      const { onError } = checkOptions('options', given)
      if (onError !== undefined) checkFunction('options.onError', onError)
      const [last] = await read(subject, { order: 'desc', limit: 1 })
      const followers = open.get(subject) ?? new Set()
      open.set(subject, followers)
      const follower = follow({
        from: last?.id ?? '0',
        read: after => read(subject, { after, limit: PAGE }),
        onEvent,
        pollInterval: options.pollInterval,
        onEnd(error) {
          followers.delete(follower)
          if (followers.size === 0 && open.get(subject) === followers) open.delete(subject)
          if (error === undefined) return
          if (onError) onError(error)
          // Neither the subject nor what the database says about a statement belongs into a log.
          else options.logger.error('a subscription has ended: give it `onError` to hear of it', isStoreError(error) ? error.code : error)
        },
      })
      followers.add(follower)
      return { id: randomUUID(), subject, unsubscribe: follower.stop } satisfies StreamSubscription
    },

    wake(subject) {
      open.get(subject)?.forEach(follower => follower.wake())
    },

    count: () => [...open.values()].reduce((sum, followers) => sum + followers.size, 0),

    async close() {
      await Promise.all([...open.values()].flatMap(followers => [...followers].map(follower => follower.stop())))
    },
  }
}

interface Follower {
  wake(): void
  stop(): Promise<void>
}

function follow(options: {
  from: string
  read(after: string): Promise<EventRecord[]>
  onEvent(event: EventRecord): unknown
  pollInterval: number
  onEnd(error?: unknown): void
}): Follower {
  let stopped = false
  let awake = false
  let wakeUp = () => {}

  const pause = (ms: number) => new Promise<void>((resolve) => {
    if (awake || stopped) return resolve()
    const timer = setTimeout(resolve, ms)
    timer.unref()
    wakeUp = () => {
      clearTimeout(timer)
      resolve()
    }
  })

  async function run(): Promise<void> {
    let position = options.from
    let failures = 0
    while (!stopped) {
      awake = false
      const events = await options.read(position).catch((error: unknown) => {
        // The database may come back; anything else will not mend itself.
        if (!isStoreError(error) || !error.retryable) throw error
        failures++
      })
      for (const event of events ?? []) {
        if (stopped) return
        await delivering.run(follower, async () => options.onEvent(event))
        position = event.id
      }
      if (events) failures = 0
      if (events?.length !== PAGE) await pause(Math.min(options.pollInterval * 2 ** failures, MAX_ERROR_PAUSE_MS))
    }
  }

  const follower: Follower = {
    wake() {
      awake = true
      wakeUp()
    },
    async stop() {
      stopped = true
      wakeUp()
      if (delivering.getStore() !== follower) await ended
    },
  }
  const ended = run().then(() => options.onEnd(), options.onEnd)
  return follower
}
