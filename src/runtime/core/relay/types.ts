import type { ConsumeOptions, Consumer } from '../consumers/types'
import type { OutboxWriter } from '../outbox/types'
import type { EventMeta } from '../shared/event'
import type { Members } from '../shared/types'

/** What a relay publishes: a message of the outbox, or an event that was appended with topics. */
export interface OutboxMessage {
  /** The same each time it is published: receivers can recognise a repeat by it. */
  id: string
  type: string
  data: unknown
  topics: string[]
  /**
   * What `enqueue` was given, null for none, or the subject of an event. Messages of one key come in order, and events of
   * one subject; the two orders are separate, also where key and subject are the same.
   */
  key: string | null
  /** When it was enqueued or appended, in milliseconds since 1970. */
  ts: number
  meta: EventMeta
}

export interface PublishContext {
  /** From 1 on. */
  attempt: number
  /** Aborts when the attempt runs out of time, or the relay stops without waiting any longer. */
  signal: AbortSignal
}

export interface RelayOptions extends Pick<ConsumeOptions, 'from' | 'topics' | 'maxAttempts' | 'backoff' | 'attemptTimeout' | 'leaseMs' | 'shards' | 'pollInterval'> {
  /** Sends a message. When it throws, the message is published again later, and later ones of its key wait. */
  publish(message: OutboxMessage, context: PublishContext): unknown
  /** Relays with the same name share the work. Default: `outbox`. */
  name?: string
  /** Messages on their way at the same time, in this process. Default: 10. */
  concurrency?: number
  /**
   * After the last attempt. `skip`: the message becomes a dead letter, and later ones of its key go on. `park`: they
   * wait behind it. `block`: it is tried for ever.
   * @default 'park'
   */
  onExhausted?: 'park' | 'skip' | 'block'
  /**
   * How long published messages of `enqueue` are kept, in milliseconds, by every relay. Events with topics are never removed.
   * @default 0
   */
  keepMs?: number
}

export const RELAY_OPTIONS: Members<RelayOptions> = {
  publish: true, name: true, topics: true, concurrency: true, maxAttempts: true, backoff: true, attemptTimeout: true, onExhausted: true,
  leaseMs: true, shards: true, pollInterval: true, keepMs: true, from: true,
}

export interface OutboxStatsOptions {
  /** The relay whose view it is. Default: `outbox`. */
  name?: string
}

export const OUTBOX_STATS_OPTIONS: Members<OutboxStatsOptions> = { name: true }

export interface OutboxStats {
  /** Messages that are not published yet. */
  pending: number
  /** When the oldest of them was enqueued, in milliseconds since 1970. */
  oldestAt: number | null
  /** How many are pending for each topic: a message with two of them counts for both. */
  topics: Record<string, number>
  /** Keys that wait for a retry, a delay or an operator. */
  waiting: number
}

export interface OutboxApi extends OutboxWriter {
  /**
   * Publishes what is in the outbox, and every event that was appended with topics: at least once, in the order of each
   * key. Any number of processes may start a relay of the same name: they share the keys.
   * @throws {StoreError} INVALID_VALUE at once, when an option can't be right
   * @example
   * const relay = store.outbox.relay({ publish: message => post('https://example.com/hook', message) })
   * await relay.start()
   */
  relay(options: RelayOptions): Consumer
  /** What a relay has still to publish. */
  stats(options?: OutboxStatsOptions): Promise<OutboxStats>
}
