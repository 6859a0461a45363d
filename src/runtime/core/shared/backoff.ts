export interface BackoffOptions {
  /** Milliseconds of the first pause; each further one takes twice as long. */
  first: number
  max: number
  /**
   * Each pause is multiplied with a random number between these two, so that processes that failed together do not
   * come back together. Without it, a pause takes exactly as long as it is.
   */
  jitter?: [from: number, to: number]
}

export interface Backoff {
  /** How long to wait before the next attempt, in milliseconds. */
  next(): number
  /** An attempt has succeeded: begins with the first pause again. */
  reset(): void
  /** How many pauses there were since the beginning, or the last reset. */
  readonly pauses: number
}

/** Pauses that grow with each failed attempt. */
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
