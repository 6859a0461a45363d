import { messageOf } from '../shared/errors'
import type { Logger, Capability } from '../shared/types'
import { unref, inTime } from '../shared/timer'

/** Notifies the subscriptions of other processes of new events. */
export type Notifier = Required<Pick<Capability, 'onAppend'>> & { stop(): Promise<void> }

// A notification costs about as much as an append, and PostgreSQL commits transactions with a notification one at a
// time. So the gap to the next one is a millisecond for each append since the last one, within these bounds.
const MIN_GAP_MS = 5
const MAX_GAP_MS = 50
// Notifications are not needed for correctness, so `close` must not wait longer for a server that does not answer.
const LAST_ANSWER_MS = 2_000

/**
 * Notifies at once after the first append, then at most once per gap, and never inside the transactions that append.
 * A notification that fails is logged: polling finds the events anyway.
 */
export function createNotifier(send: () => Promise<unknown>, logger: Logger): Notifier {
  let appends = 0
  let sending: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined

  async function notify(): Promise<void> {
    const gap = Math.min(Math.max(appends, MIN_GAP_MS), MAX_GAP_MS)
    appends = 0
    await send().catch((error: unknown) => logger.warn(`other processes were not notified of new events and will find them by polling: ${messageOf(error)}`))
    timer = setTimeout(next, gap)
    unref(timer)
  }

  function next(): void {
    sending = appends > 0 ? notify() : undefined
  }

  return {
    onAppend() {
      appends++
      if (!sending) next()
    },
    async stop() {
      const last = (sending ?? Promise.resolve()).then(() => appends > 0 ? notify() : undefined)
      await inTime(last, LAST_ANSWER_MS)
      clearTimeout(timer)
    },
  }
}
