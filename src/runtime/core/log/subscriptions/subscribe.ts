import { randomUUID } from 'node:crypto'
import { checkFunction, checkName, checkOptions, checkPosition } from '../../shared/checks'
import { closedError, invalidValue, isStoreError, messageOf } from '../../shared/errors'
import { describe, tagOf } from '../../shared/given'
import type { Logger, Capability } from '../../shared/types'
import type { GlobalEvent, StreamSubscription, SubscribeOptions, LogOperations } from '../types'
import type { StreamOperations } from '../../stream/types'
import { SUBSCRIBE_OPTIONS } from '../types'
import { isGlob } from '../../shared/glob'
import type { HistoryChange } from '../history'
import type { GlobalReader } from '../reader'
import { CALLBACK_GRACE_MS, follow, releaseCallback } from './follower'
import type { Follower } from './follower'
import { createEventIterator } from './eventIterator'
import { inTime } from '../../shared/timer'
import { createTail } from './tail'

export interface Subscriptions extends Capability {
  subscribe: LogOperations['subscribe']
  /** How many are open. */
  count(): number
}

export interface SubscriptionOptions {
  read: StreamOperations['read']
  reader: GlobalReader
  pollInterval: number
  logger: Logger
  /** Begins to listen for wakes of other processes; the result ends it. */
  listen(onWake: () => void): () => Promise<void>
  onHistoryChange?(change: HistoryChange): void
}

/** What a subscription tells whoever it is for. */
interface Subscriber {
  onEvent(event: GlobalEvent): unknown
  onStop?(): void
  onEnd(error?: unknown): void
}

interface Checked {
  subject: string
  from: string
  signal: AbortSignal | undefined
  onError: SubscribeOptions['onError']
}

/** Subscriptions to subjects and globs. All of them share the tail of the global order. */
export function createSubscriptions({ read, reader, pollInterval, logger, listen, onHistoryChange }: SubscriptionOptions): Subscriptions {
  const open = new Set<Follower>()
  let closed = false
  const tail = createTail({ reader, pollInterval, logger, listen: () => listen(tail.wake), onTrouble: error => told(error, logger), onHistoryChange })

  const historyOf = (subject: string) => isGlob(subject)
    ? (after: bigint, upTo: bigint, limit: number) => take(reader.pages({ after, upTo, subjects: [subject], page: limit }), limit)
    // The events of a subject commit in the order of their ids: its own index serves them, settled or not.
    : async (after: bigint, _: bigint, limit: number) => (await read(subject, { after: String(after), limit })).map(event => ({ subject, event }))

  async function startOf({ subject, from }: Checked): Promise<bigint> {
    if (from === 'start') return BigInt(0)
    if (from !== 'now') return tail.resume(BigInt(from))
    if (isGlob(subject)) return (await reader.mark()).head
    const [last] = await read(subject, { order: 'desc', limit: 1 })
    return BigInt(last?.id ?? 0)
  }

  async function start(checked: Checked, { onEvent, onStop, onEnd }: Subscriber): Promise<Follower> {
    const { subject, signal } = checked
    if (closed) throw closedError()
    await tail.start()
    const after = await startOf(checked)
    if (closed) throw closedError()
    const onAbort = () => void follower.stop()
    const leave = () => {
      open.delete(follower)
      tail.leave(follower)
      signal?.removeEventListener('abort', onAbort)
    }
    const follower = follow({
      subject, after, leader: tail, history: historyOf(subject), onEvent,
      onStop() {
        leave()
        onStop?.()
      },
      onStuck: () => logger.warn(`a callback of the subscription to ${JSON.stringify(subject)} has not returned within ${CALLBACK_GRACE_MS} ms: it is not waited for any longer`),
      onTrouble: error => told(error, logger),
      onEnd(error) {
        leave()
        onEnd(error)
      },
    })
    open.add(follower)
    tail.join(follower)
    if (signal?.aborted) onAbort()
    else signal?.addEventListener('abort', onAbort, { once: true })
    return follower
  }

  async function call(subject: unknown, onEvent: unknown, given?: SubscribeOptions): Promise<StreamSubscription> {
    checkFunction('onEvent', onEvent)
    const checked = check(subject, given)
    const { onError } = checked
    const follower = await start(checked, {
      onEvent: ({ event, subject }) => (onEvent as (event: unknown, subject: string) => unknown)(event, subject),
      onEnd(error) {
        if (error === undefined) return
        // What the database says about a statement does not belong into a log.
        if (!onError) return logger.error('a subscription has ended: give it `onError` to hear of it', isStoreError(error) ? error.code : error)
        // It is not waited for: an error of its own, unheard, would end the process.
        const failed = (failure: unknown) => logger.error(`onError of the subscription to ${JSON.stringify(checked.subject)} failed: ${messageOf(failure)}`)
        void (async () => onError(error))().catch(failed)
      },
    })
    return { id: randomUUID(), subject: checked.subject, unsubscribe: follower.stop }
  }

  function iterate(subject: unknown, given?: SubscribeOptions): AsyncIterableIterator<GlobalEvent, undefined> {
    const iterator = createEventIterator<GlobalEvent>()
    const taken = iterator.taken()
    let follower: Follower | undefined
    let [begun, left] = [false, false]

    async function begin(): Promise<void> {
      follower = await start(check(subject, given), { onEvent: iterator.give, onStop: iterator.end, onEnd: iterator.end })
      if (left) await follower.stop()
    }

    return {
      next() {
        if (!begun) {
          begun = true
          begin().catch(iterator.end)
        }
        return taken.next()
      },
      async return() {
        begun = left = true
        const end = await taken.return()
        await follower?.stop()
        return end
      },
      [Symbol.asyncIterator]() {
        return this
      },
    }
  }

  function subscribe(...parameters: unknown[]) {
    const [subject, onEvent, options] = parameters
    // A callback that was forgotten, or given behind the options, is refused: nobody would ever call it.
    const isLoop = parameters.length === 1 || (tagOf(onEvent) === 'Object' && options === undefined)
    return isLoop
      ? iterate(subject, onEvent as SubscribeOptions | undefined)
      : call(subject, onEvent, options as SubscribeOptions | undefined)
  }

  return {
    subscribe: subscribe as LogOperations['subscribe'],
    // Subscribers need not wait for the next poll.
    onAppend(subject) {
      if (tail.serves(subject)) tail.wake()
    },
    count: () => open.size,

    async stop() {
      closed = true
      releaseCallback()
      await Promise.all([...open].map(follower => follower.stop()))
      if (!await inTime(tail.ended(), CALLBACK_GRACE_MS)) logger.warn(`the database has not answered within ${CALLBACK_GRACE_MS} ms whether there are new events: nobody waits for it any longer`)
    },
  }
}

function check(subject: unknown, given?: SubscribeOptions): Checked {
  const { from = 'now', signal, onError } = checkOptions('options', given, SUBSCRIBE_OPTIONS)
  if (signal !== undefined && !isSignal(signal)) throw invalidValue('options.signal', `must be an AbortSignal, not ${describe(signal)}`)
  if (onError !== undefined) checkFunction('options.onError', onError)
  return {
    subject: checkName('subject', subject),
    from: from === 'now' || from === 'start' ? from : checkPosition('options.from', from),
    signal,
    onError,
  }
}

function isSignal(value: unknown): value is AbortSignal {
  try {
    return value instanceof AbortSignal && typeof value.aborted === 'boolean'
  }
  catch {
    return false
  }
}

/** Tells of reading that fails and is tried again; that the database is away is told elsewhere. */
function told(error: unknown, logger: Logger): void {
  if (isStoreError(error) && error.retryable) return
  logger.warn(`subscriptions can't read new events, and try again: ${isStoreError(error) ? error.code : messageOf(error)}`)
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
