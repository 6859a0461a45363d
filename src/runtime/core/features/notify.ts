import { messageOf } from '../errors'
import type { Logger } from '../options'

/** Tells the readers of other processes that there are new events. */
export interface Notifier {
  changed(): void
  close(): Promise<void>
}

// PostgreSQL lets one transaction with a notification commit at a time: few of them, outside of those that append.
const GAP_MS = 5

/**
 * Notifies at once, and then at most every few milliseconds, however much is appended. Nothing depends on it: a
 * notification that fails is made good by polling.
 */
export function createNotifier(send: () => Promise<unknown>, logger: Logger): Notifier {
  let again = false
  let sending: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined

  async function notify(): Promise<void> {
    again = false
    const start = performance.now()
    await send().catch((error: unknown) => logger.warn(`other processes were not told of new events, they will find them: ${messageOf(error)}`))
    timer = setTimeout(next, Math.max(0, GAP_MS - (performance.now() - start)))
    timer.unref()
  }

  function next(): void {
    timer = undefined
    sending = again ? notify() : undefined
  }

  return {
    changed() {
      again = true
      if (!sending) next()
    },
    async close() {
      await sending
      clearTimeout(timer)
      if (again) await notify()
      clearTimeout(timer)
    },
  }
}
