import type { Logger } from '../../shared/types'

// A transaction that appends and stays open this long is worth a line in the log.
const WARN_MS = 30_000

/** Notices that a transaction holds the global order up. Returns whether it has for longer than `patience`. */
export function detectStalledOrder({ patience, logger }: { patience: number, logger: Logger }): (stuck: boolean) => boolean {
  let since: number | undefined
  let told = false
  return (stuck) => {
    if (!stuck) {
      since = undefined
      told = false
      return false
    }
    const stuckFor = performance.now() - (since ??= performance.now())
    if (stuckFor > WARN_MS && !told) {
      told = true
      logger.warn('a transaction that has appended stays open: subscriptions to globs wait for it; end it, or set idle_in_transaction_session_timeout')
    }
    return stuckFor >= patience
  }
}
