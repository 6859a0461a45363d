import { nextTick as realNextTick } from 'node:process'
import { performance as realPerformance } from 'node:perf_hooks'
import { setTimeout as realSetTimeout } from 'node:timers'

// Taken once: tests put fake clocks in the place of the global ones, and calls must not stand still under them.
export const nextTick = realNextTick
export const setTimer = realSetTimeout
export const now = realPerformance.now.bind(realPerformance)

/** Timers take no longer time: a longer one would be over at once. 24.8 days. */
export const MAX_MS = 2 ** 31 - 1

/** Lets the process end while a timer is pending. The timers of workers are numbers, and nothing there waits for them. */
export function unref(timer: NodeJS.Timeout): void {
  (timer as Partial<Pick<NodeJS.Timeout, 'unref'>>).unref?.()
}

/** Whether it has settled within so many milliseconds; what it rejects with is thrown. */
export async function inTime(work: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, ms, false)
  })
  try {
    return await Promise.race([work.then(() => true), late])
  }
  finally {
    clearTimeout(timer)
  }
}
