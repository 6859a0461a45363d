import { randomUUID } from 'node:crypto'
import { checkFunction, checkName, checkOptions, checkPosition } from '../arguments'
import { invalidValue, isStoreError } from '../errors'
import { isObject } from '../json'
import type { Logger } from '../options'
import { isGlob } from '../sql/glob'
import type { GlobalReader } from '../surfaces/global'
import type { GlobalEvent, StreamSubscription, StreamSurface, SubscribeOptions } from '../types/index'
import { follow } from './follower'
import type { Follower } from './follower'
import { createHandoff } from './handoff'
import { createTail } from './tail'

export interface Subscriptions {
  subscribe: StreamSurface['subscribe']
  /** Events were appended here: subscribers need not wait for the next look. */
  wake(subject: string): void
  /** How many are open. */
  count(): number
  close(): Promise<void>
}

export interface SubscriptionOptions {
  read: StreamSurface['read']
  reader: GlobalReader
  pollInterval: number
  logger: Logger
  /** Begins to listen for wakes of other processes; the result ends it. */
  listen(onWake: () => void): () => Promise<void>
}

interface Checked {
  subject: string
  from: string
  signal: AbortSignal | undefined
}

/** Subscriptions to subjects and globs. All of them share the tail of the global order. */
export function createSubscriptions({ read, reader, pollInterval, logger, listen }: SubscriptionOptions): Subscriptions {
  const open = new Set<Follower>()
  let closed = false
  const tail = createTail({ reader, pollInterval, logger, listen: () => listen(tail.wake) })

  const historyOf = (subject: string) => isGlob(subject)
    ? (after: bigint, upTo: bigint, limit: number) => take(reader.pages({ after, upTo, subjects: [subject], page: limit }), limit)
    // The events of a subject commit in the order of their ids: its own index serves them, settled or not.
    : async (after: bigint, _: bigint, limit: number) => (await read(subject, { after: String(after), limit })).map(event => ({ subject, event }))

  async function startOf({ subject, from }: Checked): Promise<bigint> {
    if (from === 'start') return BigInt(0)
    if (from !== 'now') return BigInt(from)
    if (isGlob(subject)) return (await reader.mark()).head
    const [last] = await read(subject, { order: 'desc', limit: 1 })
    return BigInt(last?.id ?? 0)
  }

  async function start(checked: Checked, onEvent: (event: GlobalEvent) => unknown, onEnd: (error?: unknown) => void): Promise<Follower> {
    const { subject, signal } = checked
    await tail.start()
    const after = await startOf(checked)
    const onAbort = () => void follower.stop()
    const follower = follow({
      subject, after, leader: tail, history: historyOf(subject), onEvent,
      onEnd(error) {
        open.delete(follower)
        tail.leave(follower)
        signal?.removeEventListener('abort', onAbort)
        onEnd(error)
      },
    })
    open.add(follower)
    tail.join(follower)
    if (closed || signal?.aborted) onAbort()
    else signal?.addEventListener('abort', onAbort, { once: true })
    return follower
  }

  async function call(subject: unknown, onEvent: unknown, given?: SubscribeOptions): Promise<StreamSubscription> {
    const checked = check(subject, given)
    checkFunction('onEvent', onEvent)
    const { onError } = given ?? {}
    if (onError !== undefined) checkFunction('options.onError', onError)
    const follower = await start(checked, ({ event, subject }) => (onEvent as (event: unknown, subject: string) => unknown)(event, subject), (error) => {
      if (error === undefined) return
      if (onError) onError(error)
      // Neither the subject nor what the database says about a statement belongs into a log.
      else logger.error('a subscription has ended: give it `onError` to hear of it', isStoreError(error) ? error.code : error)
    })
    return { id: randomUUID(), subject: checked.subject, unsubscribe: follower.stop }
  }

  async function* iterate(subject: unknown, given?: SubscribeOptions): AsyncGenerator<GlobalEvent> {
    const handoff = createHandoff<GlobalEvent>()
    const follower = await start(check(subject, given), handoff.give, handoff.end)
    try {
      yield* handoff.taken()
    }
    finally {
      handoff.end()
      await follower.stop()
    }
  }

  function subscribe(...parameters: unknown[]) {
    const [subject, onEvent, options] = parameters
    // A callback that was forgotten is refused, not taken for options that were left out.
    return isObject(onEvent) || parameters.length === 1
      ? iterate(subject, onEvent as SubscribeOptions | undefined)
      : call(subject, onEvent, options as SubscribeOptions | undefined)
  }

  return {
    subscribe: subscribe as StreamSurface['subscribe'],
    wake(subject) {
      if (tail.serves(subject)) tail.wake()
    },
    count: () => open.size,

    async close() {
      closed = true
      await Promise.all([...open].map(follower => follower.stop()))
      await tail.ended()
    },
  }
}

function check(subject: unknown, given?: SubscribeOptions): Checked {
  const { from = 'now', signal } = checkOptions('options', given)
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw invalidValue('options.signal', 'must be an AbortSignal')
  return {
    subject: checkName('subject', subject),
    from: from === 'now' || from === 'start' ? from : checkPosition('options.from', from),
    signal,
  }
}

/** The first `limit` events of pages. */
async function take(pages: AsyncIterable<GlobalEvent[]>, limit: number): Promise<GlobalEvent[]> {
  const taken: GlobalEvent[] = []
  for await (const page of pages) {
    taken.push(...page.slice(0, limit - taken.length))
    if (taken.length === limit) break
  }
  return taken
}
