import { nextTick as realNextTick } from 'node:process'
import { performance as realPerformance } from 'node:perf_hooks'
import { setTimeout as realSetTimeout } from 'node:timers'

// Imported instead of global: tests replace the global timers by fake ones, and calls must still complete then.
export const nextTick = realNextTick
export const setTimer = realSetTimeout
export const now = realPerformance.now.bind(realPerformance)

/** Longest delay of a timer, 24.8 days: a timer with a longer delay fires at once. */
export const MAX_MS = 2 ** 31 - 1

/** Lets the process exit while a timer is pending. In edge workers a timer is a number and needs no `unref`. */
export function unref(timer: NodeJS.Timeout): void {
  (timer as Partial<Pick<NodeJS.Timeout, 'unref'>>).unref?.()
}

/** Whether a promise resolves within `ms` milliseconds. Throws what it rejects with. */
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
