import type { EventRecord } from '../shared/event'
import type { TopicFilter } from '../shared/topics'
import type { Members } from '../shared/types'
import type { TransactionApi } from '../transaction/types'
import type { ConcurrencyKey, Debounce, RateLimit } from './flowTypes'

/** What a handler is given beside its events. */
export interface ConsumerContext {
  /** The name of the consumer. */
  consumer: string
  /**
   * The transaction of the events: what is written through it is kept exactly once, together with the checkpoint.
   * With `transaction: 'none'` it refuses every call.
   */
  tx: TransactionApi
  /** Aborts when the attempt runs out of time, the lease is lost, or the consumer stops without waiting any longer. */
  signal: AbortSignal
  /** From 1 on. */
  attempt: number
  /** True in `deadLetters.preview()`: nothing that is written through `tx` is kept, and nothing else should be done. */
  preview: boolean
}

/** An event and its subject; `versionOf` tells its version. */
export type ConsumedEvent = EventRecord & { subject: string }

/** What becomes of an event; `undefined` means done. */
export type ConsumeResult = undefined | 'done' | { retry: { after?: number } } | { dead: string }

export interface ConsumeOptions {
  /** At most 200 bytes. Instances with the same name share the work. */
  name: string
  /** Subjects, or globs of them (`*` any run, `?` one character). Default: all. */
  subjects?: string[]
  types?: string[]
  /** Events with one of these topics, or as the filter says. */
  topics?: string[] | TopicFilter
  /**
   * Where a consumer that is new begins: with the first event, with what is appended from now on, or after a position.
   * @default 'start'
   */
  from?: 'start' | 'now' | (string & {})
  /**
   * Called for each event, in the order of its subject. It may return a `ConsumeResult`: `{ retry: { after } }` or
   * `{ dead }`, with nothing else in the object. Whatever else it returns means done.
   */
  handler?: (event: ConsumedEvent, context: ConsumerContext) => unknown
  /** Called for several events at once, instead of `handler`; may return a result for each. */
  batchHandler?: (events: ConsumedEvent[], context: ConsumerContext) => unknown
  /**
   * `subject`: events of one subject come one after the other, those of different subjects in parallel, in any number of
   * processes. `global`: strictly in the order of the log, in one process at a time.
   * @default 'subject'
   */
  order?: 'subject' | 'global'
  /**
   * `batch`: one transaction for up to `batchSize` events and their checkpoint. `each`: one for each event. `none`: the
   * handler runs outside of a transaction, at least once.
   * @default 'batch'
   */
  transaction?: 'each' | 'batch' | 'none'
  /**
   * Most events of one transaction, or of one call of `batchHandler`.
   * @default 100
   */
  batchSize?: number
  /**
   * Handlers at work at the same time in this process.
   * @default 1
   */
  concurrency?: number
  /**
   * How many events handlers get in a time, in all processes together. An event that is over the limit waits, with the
   * later ones of its subject; no attempt is counted.
   */
  rateLimit?: RateLimit
  /** How many events of one key are handled at the same time, in all processes together. */
  concurrencyKey?: ConcurrencyKey
  /**
   * Of several events of one subject, or of one key, only the last is handled, once no other has come for a while. The
   * others are done without a call.
   */
  debounce?: Debounce
  /**
   * Attempts for one event.
   * @default 10
   */
  maxAttempts?: number
  /** Pauses between attempts, in milliseconds. Default: 1,000, twice as long each time, at most 60,000. */
  backoff?: { first?: number, max?: number }
  /**
   * How long one attempt may take, in milliseconds; then it counts as failed. 0: without limit.
   * @default 30000
   */
  attemptTimeout?: number
  /**
   * After the last attempt. `park`: the event becomes a dead letter, and the later ones of its subject wait behind it.
   * `skip`: it becomes a dead letter, and the later ones go on. `block`: it is tried for ever. `stop`: the consumer stops.
   * @default 'park', and 'block' in global order
   */
  onExhausted?: 'park' | 'skip' | 'block' | 'stop'
  /**
   * Parts that subjects are divided into, each handled by one process at a time: the most processes that can work.
   * @default 32, and 1 in global order
   */
  shards?: number
  /**
   * How long the shards of a process that is gone, frozen or cut off wait for another one, in milliseconds.
   * @default 30000
   */
  leaseMs?: number
  /**
   * Most subjects that one process parks: when more fail, the cause is not an event, and their shards wait instead.
   * @default 1000
   */
  maxParked?: number
  /**
   * How often new events are looked for where no notification comes, in milliseconds.
   * @default 250
   */
  pollInterval?: number
}

export const CONSUME_OPTIONS: Members<ConsumeOptions> = {
  name: true, subjects: true, types: true, topics: true, from: true, handler: true, batchHandler: true, order: true, transaction: true,
  batchSize: true, concurrency: true, rateLimit: true, concurrencyKey: true, debounce: true, maxAttempts: true, backoff: true, attemptTimeout: true, onExhausted: true,
  shards: true, leaseMs: true, maxParked: true, pollInterval: true,
}

export interface StopOptions {
  /**
   * How long events under way are waited for, in milliseconds.
   * @default 10000
   */
  drainMs?: number
}

export const STOP_OPTIONS: Members<StopOptions> = { drainMs: true }

export interface RunOnceOptions extends StopOptions {
  /**
   * After how many milliseconds no further event is begun.
   * @default 10000
   */
  maxMs?: number
}

export const RUN_ONCE_OPTIONS: Members<RunOnceOptions> = { maxMs: true, drainMs: true }

export interface RunOnceResult {
  /** Events whose handler went well. */
  handled: number
  /** Whether everything that was appended before is handled, as `whenCaughtUp()` says, by whichever process. */
  caughtUp: boolean
}

export interface CaughtUpOptions {
  /** Milliseconds. Default: 30,000. */
  timeout?: number
}

export const CAUGHT_UP_OPTIONS: Members<CaughtUpOptions> = { timeout: true }

export interface ConsumerStatus {
  name: string
  /** Of this process. */
  state: 'idle' | 'running' | 'paused' | 'stopped' | 'failed'
  /** Every event up to here is handled or parked; null while the consumer has never been started. */
  position: string | null
  /** The newest event of the log, of any subject. */
  head: string
  /** Ids between the two: at most so many events are left. */
  lag: number
  /**
   * Milliseconds since the first event behind `position` was appended, by the clock of the database; 0 when there is none.
   * Events of parked subjects do not count. Null while the consumer has never been started.
   */
  lagMs: number | null
  /**
   * Milliseconds since a process has last shown that it looks after the events, for the shard where that is longest ago. A
   * process that works shows it every third of `leaseMs`: a lag of 0 says nothing when no process looks.
   */
  staleMs: number | null
  shards: { all: number, held: number, here: number }
  /** Subjects that wait for a retry, or for an operator. */
  parked: number
  /** Those of them that wait for an operator. */
  blocked: number
  /** Why it failed. */
  error?: unknown
}

export interface Consumer {
  readonly name: string
  /** Starts to handle events; ends when the signal aborts, also that of a start while it is at work. */
  start(signal?: AbortSignal): Promise<void>
  /** Finishes the events under way and gives the shards to others. */
  stop(options?: StopOptions): Promise<void>
  /**
   * Handles what there is, and gives its shards back: for functions that are frozen between requests. It takes the shards
   * that no other process holds, and ends once their events and the retries that are due are done, or `maxMs` has passed.
   * @throws {StoreError} INVALID_CALL when the consumer is at work in this process already
   */
  runOnce(options?: RunOnceOptions): Promise<RunOnceResult>
  /** Takes no more events until `resume()`; keeps its shards. */
  pause(): void
  resume(): void
  /**
   * Resolves once everything that was appended before this call is handled, by whichever process, or waits for a retry, a
   * limit, debounce or an operator. Slow handlers that others have overtaken are waited for.
   * @throws {StoreError} TIMEOUT
   */
  whenCaughtUp(options?: CaughtUpOptions): Promise<void>
  /**
   * The same for all events up to a position.
   * @throws {StoreError} TIMEOUT
   */
  whenProcessed(position: string, options?: CaughtUpOptions): Promise<void>
  status(): Promise<ConsumerStatus>
}
