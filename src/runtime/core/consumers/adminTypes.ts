import type { Members } from '../shared/types'

/** A consumer as the database knows it, in whichever process it runs. */
export interface ConsumerInfo {
  name: string
  /** Every event up to here is handled or parked. */
  position: string
  /** The newest event of the log, of any subject. */
  head: string
  /** Ids between the two: at most so many events are left. */
  lag: number
  /**
   * Milliseconds since the first event behind `position` was appended, by the clock of the database; 0 when there is none.
   * Events of parked subjects do not count.
   */
  lagMs: number
  /**
   * Milliseconds since a process has last shown that it looks after the events: for the shard where that is longest ago, or
   * since the last claim of a worker. It grows while no process works for the consumer, whatever its lag.
   */
  staleMs: number
  shards: { all: number, held: number }
  /** Processes that work for it, or workers that have leases. */
  members: number
  /** Subjects of which a worker has events: `store.leases`. */
  leased: number
  /** Subjects that wait for a retry, or for an operator. */
  parked: number
  /** Those of them that wait for an operator. */
  blocked: number
  /** Letters that are parked or skipped: what was handled in another form (`edited`) does not count. */
  deadLetters: number
  /** Milliseconds since 1970. */
  createdAt: number
}

export interface ConsumerResetOptions {
  /** `start`, `now` (behind all events), or the id of an event: the ones behind it are handled, again or for the first time. */
  to: 'start' | 'now' | (string & {})
}

export const CONSUMER_RESET_OPTIONS: Members<ConsumerResetOptions> = { to: true }

export interface ConsumersAdmin {
  /** All consumers that have ever been started, by name. */
  list(): Promise<ConsumerInfo[]>
  get(name: string): Promise<ConsumerInfo | null>
  /**
   * Forgets a consumer with its position, its parked subjects and its dead letters. False when there is none.
   * @throws {StoreError} INVALID_CALL while a process works for it
   */
  remove(name: string): Promise<boolean>
  /**
   * Lets a consumer go on from another position. What it has parked is not parked any more; letters of events before
   * the position stay, as skipped. False when there is no such consumer.
   * @throws {StoreError} INVALID_CALL while a process works for it; INVALID_VALUE for a position that no event has yet
   */
  reset(name: string, options: ConsumerResetOptions): Promise<boolean>
}
