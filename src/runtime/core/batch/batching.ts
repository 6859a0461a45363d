/** How calls are put together. */
export interface Batching {
  /** Shared statements at work while none of them stalls; so many calls start whether there is room for them or not. */
  parallel: number
  /** Fewer keys than this gain less from one more statement than it costs. */
  minKeys: number
  maxCalls: number
  maxBytes: number
  /** Among so many keys calls are looked for that go out together. */
  maxKeys: number
  /** Calls of one key wait for each other. */
  ordered: boolean
  /** A shared statement that takes longer may wait for a lock, and others go around it. */
  stallMs: number
}

const LIMITS = { maxBytes: 1 << 20, maxKeys: 8_192, stallMs: 20 }

/** Single rows. Two statements at work keep the server busy while this process prepares the next one. */
export const ROWS: Batching = { ...LIMITS, parallel: 2, minKeys: 16, maxCalls: 512, ordered: true }
/** Pages take the server longer than their way there: they are spread over connections first. */
export const PAGES: Batching = { ...LIMITS, parallel: 6, minKeys: 1, maxCalls: 32, ordered: false }

/** Counts calls that are under way. */
export interface Gate {
  /** @throws when there must be no more of them */
  enter(): void
  leave(calls: number): void
}

/** The connections that calls are sent on. */
export interface Room {
  /** How many there can be. */
  most: number
  /** How many more statements would get one at once. */
  free: number
  /** How long one is waited for, in milliseconds; 0: as long as it takes. */
  waitMs: number
}
