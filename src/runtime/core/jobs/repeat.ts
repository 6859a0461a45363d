import { isStoreError } from '../shared/errors'
import type { Capability } from '../shared/types'
import { unref } from '../shared/timer'

/** What somebody wants to know of a job that nobody waits for. */
export interface BackgroundOutcome {
  /** Another instance was at it. */
  busy?: boolean
  error?: unknown
}

export interface Repeat {
  /** Milliseconds; 0: never. */
  interval: number
  /** Whether the store is in use: a job does not connect one that nobody has asked for anything. */
  isStarted(): boolean
}

/** Does a job now and then, never twice at a time. The job reports its errors itself. */
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

/** The store was closed while the job was under way: nothing is wrong, the next instance goes on. */
export const isClosed = (error: unknown): boolean => isStoreError(error) && error.code === 'CLOSED'
