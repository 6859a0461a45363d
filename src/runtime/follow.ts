import type { EventRecord, StreamSurface } from './core/types/index'

const PAGE = 500

type Stream = Pick<StreamSurface, 'read' | 'subscribe'>

/** Where to start: after the last event there is, at the first one, or after an event id. */
export type StartOf = 'now' | 'start' | (string & {})

/**
 * The event id after which `from` begins, so that nothing of what comes next is missed.
 * @throws {StoreError} INVALID_VALUE when `from` is no event id, CONNECTION when the database is away
 */
export async function positionOf(stream: Stream, subject: string, from: StartOf): Promise<string> {
  if (from === 'now') return (await stream.read(subject, { order: 'desc', limit: 1 }))[0]?.id ?? '0'
  const position = from === 'start' ? '0' : from
  await stream.read(subject, { after: position, limit: 1 })
  return position
}

/**
 * Calls back for each event of a subject after a position, first those that are there, then new ones as they come: in
 * order, one at a time, each once. Ends when `signal` aborts; rejects with what the callback or the store throws.
 */
export async function follow(
  stream: Stream, subject: string, options: { after: string, signal: AbortSignal, onEvent: (event: EventRecord) => unknown },
): Promise<void> {
  const { signal, onEvent } = options
  let position = options.after
  const deliver = async (event: EventRecord) => {
    if (signal.aborted || BigInt(event.id) <= BigInt(position)) return
    position = event.id
    await onEvent(event)
  }

  const caughtUp = signalled()
  const ended = signalled()
  const failures: unknown[] = []
  // Subscribed before reading: what comes meanwhile waits, and is known again by its id.
  const subscription = await stream.subscribe(subject, async (event) => {
    await Promise.race([caughtUp.promise, ended.promise])
    await deliver(event)
  }, {
    onError(error) {
      failures.push(error)
      ended.now()
    },
  })
  signal.addEventListener('abort', ended.now, { once: true })
  if (signal.aborted) ended.now()
  try {
    for (let more = !signal.aborted; more && !signal.aborted;) {
      const page = await stream.read(subject, { after: position, limit: PAGE })
      for (const event of page) await deliver(event)
      more = page.length === PAGE
    }
    caughtUp.now()
    await ended.promise
  }
  finally {
    ended.now()
    signal.removeEventListener('abort', ended.now)
    await subscription.unsubscribe()
  }
  if (failures.length > 0) throw failures[0]
}

function signalled(): { promise: Promise<void>, now: () => void } {
  let now = () => {}
  const promise = new Promise<void>((resolve) => {
    now = resolve
  })
  return { promise, now }
}
