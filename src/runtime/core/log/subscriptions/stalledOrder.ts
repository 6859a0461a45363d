import type { Logger } from '../../shared/types'

// A transaction that has appended and stays open longer than this is reported.
const WARN_MS = 30_000

/** Detects that an open transaction stalls the global order. The result says whether it has for `toleranceMs` or longer. */
export function detectStalledOrder({ toleranceMs, logger }: { toleranceMs: number, logger: Logger }): (stuck: boolean) => boolean {
  let since: number | undefined
  let warned = false
  return (stuck) => {
    if (!stuck) {
      since = undefined
      warned = false
      return false
    }
    const stuckFor = performance.now() - (since ??= performance.now())
    if (stuckFor > WARN_MS && !warned) {
      warned = true
      logger.warn('a transaction that has appended stays open: subscriptions to globs wait for it; end it, or set idle_in_transaction_session_timeout')
    }
    return stuckFor >= toleranceMs
  }
}
