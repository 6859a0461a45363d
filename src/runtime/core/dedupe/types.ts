import type { Members } from '../shared/types'

/** Keys that are taken once for a time, such as the id of a webhook, in all processes. */
export interface DedupeKeys {
  /**
   * Takes a key for `ttlMs` milliseconds. Of all calls with this key, in any process, one resolves with true until the
   * time has passed or the key is released; the others resolve with false.
   * @throws {StoreError} INVALID_VALUE
   * @example if (await store.dedupe.claim(`webhook:${id}`, 86_400_000)) await handle(webhook)
   */
  claim(key: string, ttlMs: number): Promise<boolean>
  /** Whether a key is taken: claimed, marked, or kept by `once`. */
  seen(key: string): Promise<boolean>
  /** Takes a key for `ttlMs` milliseconds from now, whether or not it is taken. What `once` has kept for it stays. */
  mark(key: string, ttlMs: number): Promise<void>
  /** Frees a key at once, and forgets what `once` has kept for it. */
  release(key: string): Promise<void>
}

export interface OnceOptions {
  /**
   * How long a repeat waits for the first call, in milliseconds; then it rejects with TIMEOUT.
   * @default 60000
   */
  waitMs?: number
  /**
   * How long the work may take between two statements of its transaction, in milliseconds: then the server ends the
   * transaction, so that a process which is frozen keeps no key.
   * @default 60000
   */
  idleMs?: number
}

export const ONCE_OPTIONS: Members<OnceOptions> = { waitMs: true, idleMs: true }

/** @typeParam Tx - what the work of `once` gets: the APIs on its transaction */
export interface DedupeApi<Tx> extends DedupeKeys {
  /**
   * Runs work once for a key: its result, as JSON, is given to this call and to all others with the key, in any process,
   * until `ttlMs` milliseconds after it was kept. Others wait as long as the work runs. The key and the result are
   * committed together with what the work writes through `tx`: when the work throws, or its process ends, nothing of it
   * is kept, and the next call runs its own work.
   * @throws {StoreError} INVALID_VALUE; TIMEOUT when the first call takes longer than `waitMs`; INVALID_CALL when the key
   *   was taken by `claim` or `mark`, which keep no result; and what the work throws
   * @example
   * const { order } = await store.dedupe.once(`checkout:${requestId}`, 86_400_000, async (tx) => {
   *   await tx.stream.append('orders:42', { type: 'order.placed' })
   *   return { order: '42' }
   * })
   */
  once<T>(key: string, ttlMs: number, work: (tx: Tx) => Promise<T>, options?: OnceOptions): Promise<T>
}

/** The same in a transaction: what it takes is taken once the transaction is committed, or never. */
export interface TransactionDedupe extends DedupeKeys {
  /**
   * Runs work once for a key, as part of this transaction. A call with the same key in another transaction waits until
   * this one has ended.
   * @throws {StoreError} INVALID_VALUE; INVALID_CALL when the key was taken by `claim` or `mark`; what the work throws
   */
  once<T>(key: string, ttlMs: number, work: () => Promise<T>): Promise<T>
}
