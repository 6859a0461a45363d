import { messageOf } from '../shared/errors'
import type { Logger, Capability } from '../shared/types'
import { unref, inTime } from '../shared/timer'

/** Tells the readers of other processes that there are new events. */
export type Notifier = Required<Pick<Capability, 'onAppend'>> & { stop(): Promise<void> }

// A notification costs about what an append does, and PostgreSQL lets one transaction with a notification commit at
// a time. So the next one waits a millisecond for each append it tells of, within these bounds.
const MIN_GAP_MS = 5
const MAX_GAP_MS = 50
// Nobody depends on a notification: the end of the store does not wait for a server that does not answer.
const LAST_ANSWER_MS = 2_000

/**
 * Notifies at once, then now and then, however much is appended, and outside of what appends. Nothing depends on
 * it: a notification that fails is made good by polling.
 */
export function createNotifier(send: () => Promise<unknown>, logger: Logger): Notifier {
  let appends = 0
  let sending: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined

  async function notify(): Promise<void> {
    const gap = Math.min(Math.max(appends, MIN_GAP_MS), MAX_GAP_MS)
    appends = 0
    await send().catch((error: unknown) => logger.warn(`other processes were not told of new events, they will find them: ${messageOf(error)}`))
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
