import type { ConsumedEvent, ConsumeOptions } from '../consumers/types'
import type { Members } from '../shared/types'

export interface OpenOptions extends Pick<ConsumeOptions, 'subjects' | 'types' | 'topics' | 'from' | 'shards' | 'maxAttempts' | 'backoff'> {
  /** At most 200 bytes. */
  consumer: string
  /**
   * After the last attempt. `park`: the event becomes a dead letter, and the later ones of its subject wait behind it.
   * `skip`: it becomes a dead letter, and the later ones go on. `block`: it is tried for ever.
   * @default 'park'
   */
  onExhausted?: 'park' | 'skip' | 'block'
}

export const OPEN_OPTIONS: Members<OpenOptions> = {
  consumer: true, subjects: true, types: true, topics: true, from: true, shards: true, maxAttempts: true, backoff: true, onExhausted: true,
}

export interface ClaimOptions {
  /** As it was opened. */
  consumer: string
  /** Which worker it is, for operators. At most 200 bytes. */
  by: string
  /**
   * Events at most, of all subjects together.
   * @default 10
   */
  limit?: number
  /**
   * How long they belong to this worker, in milliseconds.
   * @default 30000
   */
  leaseMs?: number
}

export const CLAIM_OPTIONS: Members<ClaimOptions> = { consumer: true, by: true, limit: true, leaseMs: true }

/** Events of one subject that belong to one worker for a while. It is JSON: a worker anywhere can be sent it, and send it back. */
export interface Lease {
  consumer: string
  subject: string
  /** What the worker calls itself. */
  by: string
  /** Each lease of the subject has a higher one than those before it. */
  token: string
  /** In the order of the subject. There is at least one. */
  events: ConsumedEvent[]
  /** At the first event, from 1 on. A lease that runs out counts as an attempt. */
  attempt: number
  /** By the database's clock, in milliseconds since 1970. */
  leasedUntil: number
}

export const LEASE: Members<Lease> = { consumer: true, subject: true, by: true, token: true, events: true, attempt: true, leasedUntil: true }

/** What the calls need of a lease. */
export type HeldLease = Pick<Lease, 'consumer' | 'subject' | 'token'> & Partial<Lease>

/** The subject of a consumer; a lease is one as well. */
export type LeasedSubject = Pick<Lease, 'consumer' | 'subject'> & Partial<Lease>

export interface RenewOptions {
  /**
   * How long from now, in milliseconds.
   * @default 30000
   */
  leaseMs?: number
}

export const RENEW_OPTIONS: Members<RenewOptions> = { leaseMs: true }

export interface AckOptions {
  /** Id of the last event that is done: the ones behind it stay leased. Default: all events. */
  upTo?: string
}

export const ACK_OPTIONS: Members<AckOptions> = { upTo: true }

export interface NackOptions {
  /** What failed: an error or a message, kept for operators without the secrets in it. */
  error?: unknown
  /** Milliseconds until the next attempt. Default: as the consumer's `backoff` says. */
  after?: number
  /** Id of the event that failed: the ones before it are done. Default: the first that is not done. */
  event?: string
}

export const NACK_OPTIONS: Members<NackOptions> = { error: true, after: true, event: true }

export interface BlockOptions {
  /** For operators. */
  reason: string
  /** With a lease: id of the event that is the cause; the ones before it are done. Default: the first that is not done. */
  event?: string
}

export const BLOCK_OPTIONS: Members<BlockOptions> = { reason: true, event: true }

export interface LeasesApi {
  /**
   * Makes a consumer whose events are claimed, or changes what an existing one gets: its filters and attempts. Where it
   * begins and its shards are those that it was made with. Any number of processes may call it, at each start.
   * @throws {StoreError} INVALID_OPTION for another number of shards; INVALID_CALL for a consumer of `store.consume`
   * @example await store.leases.open({ consumer: 'thumbnails', subjects: ['uploads:*'], types: ['upload.stored'] })
   */
  open(options: OpenOptions): Promise<void>
  /**
   * Leases of events that nothing holds up: one lease for each subject, in the order of the log. As long as a lease
   * exists, or its subject is blocked, no later event of this subject is given to any worker. `[]`: there is nothing.
   * @throws {StoreError} NOT_FOUND for a consumer that was not opened
   * @example
   * for (const lease of await store.leases.claim({ consumer: 'thumbnails', by: 'worker-1' })) {
   *   for (const event of lease.events) await render(event)
   *   await store.leases.ack(lease)
   * }
   */
  claim(options: ClaimOptions): Promise<Lease[]>
  /**
   * Makes a lease last longer, from now on. Resolves with its new `leasedUntil`.
   * @throws {StoreError} LEASE_LOST
   */
  renew(lease: HeldLease, options?: RenewOptions): Promise<number>
  /**
   * The events are done, and never given to a worker again. With `upTo` only those up to an event; the lease goes on.
   * @throws {StoreError} LEASE_LOST: the events are given to another worker
   */
  ack(lease: HeldLease, options?: AckOptions): Promise<void>
  /**
   * An event has failed. Its subject waits for the next attempt, or after the last one as `onExhausted` says.
   * @throws {StoreError} LEASE_LOST
   */
  nack(lease: HeldLease, options?: NackOptions): Promise<void>
  /**
   * Gives no event of a subject to any worker until `unblock`. With a lease its event becomes a dead letter, whatever
   * its attempts. Without one (no `token`) it is for operators: the lease that there may be is lost.
   * @throws {StoreError} LEASE_LOST; NOT_FOUND for a consumer that was not opened
   */
  block(subject: LeasedSubject, options: BlockOptions): Promise<void>
  /** Lets a blocked or parked subject go on, in order. False when it is neither. */
  unblock(subject: LeasedSubject): Promise<boolean>
}
