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
  /** The number of open subscriptions. */
  count(): number
}

export interface SubscriptionOptions {
  read: StreamOperations['read']
  reader: GlobalReader
  pollInterval: number
  logger: Logger
  /** Listens for notifications of other processes, until the returned function is called. */
  listen(onWake: () => void): () => Promise<void>
  onHistoryChange?(change: HistoryChange): void
}

/** The callbacks of one subscription. */
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

/** Subscriptions to subjects and globs. All of them share one reader of the tail of the global order. */
export function createSubscriptions({ read, reader, pollInterval, logger, listen, onHistoryChange }: SubscriptionOptions): Subscriptions {
  const open = new Set<Follower>()
  let closed = false
  const tail = createTail({ reader, pollInterval, logger, listen: () => listen(tail.wake), onTrouble: error => warnOfReadError(error, logger), onHistoryChange })

  const historyOf = (subject: string) => isGlob(subject)
    ? (after: bigint, upTo: bigint, limit: number) => take(reader.pages({ after, upTo, subjects: [subject], page: limit }), limit)
    // The events of one subject commit in the order of their ids, so the index of the subject is enough, settled or not.
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
      subject, after, sharedReader: tail, history: historyOf(subject), onEvent,
      onStop() {
        leave()
        onStop?.()
      },
      onStuck: () => logger.warn(`a callback of the subscription to ${JSON.stringify(subject)} has not returned within ${CALLBACK_GRACE_MS} ms: the subscription ends without waiting for it`),
      onTrouble: error => warnOfReadError(error, logger),
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
        // Only the code: the message of a database error may contain user data.
        if (!onError) return logger.error('a subscription has ended with an error: pass `onError` to handle it', isStoreError(error) ? error.code : error)
        // `onError` is not awaited: without `catch`, its rejection would be unhandled and end the process.
        const failed = (failure: unknown) => logger.error(`onError of the subscription to ${JSON.stringify(checked.subject)} failed: ${messageOf(failure)}`)
        void (async () => onError(error))().catch(failed)
      },
    })
    return { id: randomUUID(), subject: checked.subject, unsubscribe: follower.stop }
  }

  function iterate(subject: unknown, given?: SubscribeOptions): AsyncIterableIterator<GlobalEvent, undefined> {
    const iterator = createEventIterator<GlobalEvent>()
    const consumer = iterator.consumer()
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
        return consumer.next()
      },
      async return() {
        begun = left = true
        const end = await consumer.return()
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
    // A missing callback, or one after the options, is refused: it would never be called.
    const isLoop = parameters.length === 1 || (tagOf(onEvent) === 'Object' && options === undefined)
    return isLoop
      ? iterate(subject, onEvent as SubscribeOptions | undefined)
      : call(subject, onEvent, options as SubscribeOptions | undefined)
  }

  return {
    subscribe: subscribe as LogOperations['subscribe'],
    // Events of this process are delivered without waiting for the next poll.
    onAppend(subject) {
      if (tail.serves(subject)) tail.wake()
    },
    count: () => open.size,

    async stop() {
      closed = true
      releaseCallback()
      await Promise.all([...open].map(follower => follower.stop()))
      if (!await inTime(tail.ended(), CALLBACK_GRACE_MS)) logger.warn(`a read of new events has not ended within ${CALLBACK_GRACE_MS} ms: the store closes without waiting for it`)
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

/** Logs a read that failed and is retried, unless the database is unreachable: that is reported elsewhere. */
function warnOfReadError(error: unknown, logger: Logger): void {
  if (isStoreError(error) && error.retryable) return
  logger.warn(`subscriptions can't read new events and will retry: ${isStoreError(error) ? error.code : messageOf(error)}`)
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
