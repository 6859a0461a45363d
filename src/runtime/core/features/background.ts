import { isStoreError } from '../errors'

/** What somebody wants to know of a job that nobody waits for. */
export interface BackgroundOutcome {
  /** Another instance was at it. */
  busy?: boolean
  error?: unknown
}

/** Does a job now and then, never twice at a time. 0: never. */
export function repeat(intervalMs: number, job: () => Promise<unknown>): () => void {
  if (intervalMs === 0) return () => {}
  let running = false
  const timer = setInterval(async () => {
    if (running) return
    running = true
    await job()
    running = false
  }, Math.min(intervalMs, MAX_INTERVAL_MS))
  timer.unref()
  return () => clearInterval(timer)
}

// Timers take no more.
const MAX_INTERVAL_MS = 2 ** 31 - 1

/** The store was closed while the job was under way: nothing is wrong, the next instance goes on. */
export const isClosed = (error: unknown): boolean => isStoreError(error) && error.code === 'CLOSED'
