import type { EventMeta } from '../shared/event'
import type { Members } from '../shared/types'

export interface EnqueueOptions {
  /** Where the message goes: at least one. */
  topics: string[]
  /**
   * Messages with the same key are published one after the other, in the order in which they were enqueued. Events that
   * were appended with topics are no part of that order, also where their subject is the same as the key.
   */
  key?: string
  /** The message is published after so many milliseconds at the earliest, by the clock of the database; later ones of its key wait behind it. */
  delayMs?: number
  /** A name for what the message is. Default: `message`. */
  type?: string
  meta?: EventMeta
}

export const ENQUEUE_OPTIONS: Members<EnqueueOptions> = { topics: true, key: true, delayMs: true, type: true, meta: true }

/** Messages to other systems that are sent if, and only if, their transaction is committed. */
export interface OutboxWriter {
  /**
   * Puts a message into the outbox. In a transaction it is there once that is committed, or never.
   * @param message any JSON value
   * @returns its id
   * @throws {StoreError} INVALID_VALUE
   * @example
   * await store.transaction(async (tx) => {
   *   await tx.stream.append('orders:42', { type: 'order.paid' })
   *   await tx.outbox.enqueue({ to: 'ann@example.com', order: 42 }, { topics: ['mail'] })
   * })
   */
  enqueue(message: unknown, options: EnqueueOptions): Promise<{ id: string }>
}
