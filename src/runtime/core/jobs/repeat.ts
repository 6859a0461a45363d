import { isStoreError } from '../shared/errors'
import type { Capability } from '../shared/types'
import { unref } from '../shared/timer'

/** The result of a background run, for metrics and logs. */
export interface BackgroundOutcome {
  /** Another instance held the job lock. */
  busy?: boolean
  error?: unknown
}

export interface Repeat {
  /** Milliseconds; 0: never. */
  interval: number
  /** Whether the store has connected: a job never opens the first connection. */
  isStarted(): boolean
}

/** Runs a job at an interval, never concurrently with itself. The job reports its errors itself. */
export function repeating({ interval, isStarted }: Repeat, job: () => Promise<unknown>): Required<Pick<Capability, 'start'>> & { stop(): void } {
  let running = false
  let timer: NodeJS.Timeout | undefined
  return {
    start() {
      if (interval === 0) return
      timer = setInterval(async () => {
        if (running || !isStarted()) return
        running = true
        await job()
        running = false
      }, interval)
      unref(timer)
    },
    stop: () => clearInterval(timer),
  }
}

/** Whether the job ended because the store was closed. That is no failure: another instance continues. */
export const isClosed = (error: unknown): boolean => isStoreError(error) && error.code === 'CLOSED'
