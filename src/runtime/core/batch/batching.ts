/** Limits for combining calls into statements. */
export interface Batching {
  /** Maximum number of running shared statements while none of them stalls. */
  parallel: number
  /** Minimum number of keys of a statement: below it, another statement costs more than parallelism gains. */
  minKeys: number
  maxCalls: number
  maxBytes: number
  /** Number of waiting keys that are searched for calls of the same kind. */
  maxKeys: number
  /** Whether calls of one key wait for each other. */
  ordered: boolean
  /** Milliseconds after which a shared statement counts as stalled (it may wait for a lock), and others bypass it. */
  stallMs: number
}

const LIMITS = { maxBytes: 1 << 20, maxKeys: 8_192, stallMs: 20 }

/** For calls on single rows. Two running statements keep the server busy while this process prepares the next one. */
export const ROWS: Batching = { ...LIMITS, parallel: 2, minKeys: 16, maxCalls: 512, ordered: true }
/** For pages. The server needs more time for a page than the round trip takes, so pages are spread over connections first. */
export const PAGES: Batching = { ...LIMITS, parallel: 6, minKeys: 1, maxCalls: 32, ordered: false }

/** Counts running calls. */
export interface Gate {
  /** @throws when no more calls are accepted */
  enter(): void
  leave(calls: number): void
}

/** Capacity of the connection pool. */
export interface Room {
  /** Maximum number of connections. */
  most: number
  /** Number of further statements that would get a connection at once. */
  free: number
  /** How long a statement waits for a connection, in milliseconds; 0: without a limit. */
  waitMs: number
}
