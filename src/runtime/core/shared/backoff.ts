export interface BackoffOptions {
  /** First delay in milliseconds. Each further delay is twice as long. */
  first: number
  /** Longest delay in milliseconds, before jitter. */
  max: number
  /**
   * Each delay is multiplied by a random number in this range, so that processes that failed at the same time do not
   * retry at the same time. Default: no jitter.
   */
  jitter?: [from: number, to: number]
}

export interface Backoff {
  /** Delay before the next attempt, in milliseconds. */
  next(): number
  /** Call after a successful attempt: the next delay is the first one again. */
  reset(): void
  /** Number of delays since creation or the last reset. */
  readonly pauses: number
}

/** Exponential backoff with an upper limit and optional jitter. */
export function createBackoff({ first, max, jitter: [from, to] = [1, 1] }: BackoffOptions): Backoff {
  let pauses = 0
  return {
    next: () => Math.min(first * 2 ** pauses++, max) * (from + Math.random() * (to - from)),
    reset() {
      pauses = 0
    },
    get pauses() {
      return pauses
    },
  }
}
