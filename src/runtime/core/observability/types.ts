import type { ConsumerCounts, ConsumerGauge } from '../consumers/watching'
import type { PoolMetrics } from '../db/types'
import type { RetentionReport } from '../jobs/retention/types'
import type { StoreError } from '../shared/errors'

export interface OperationMetrics {
  /** Calls that have ended, with or without an error. */
  calls: number
  /** Calls that were rejected, by the code of their error; `OTHER` for an error that is not a StoreError. */
  errors: Record<string, number>
  /** Calls in progress. */
  active: number
  totalMs: number
  maxMs: number
  /** Cumulative: number of calls that took at most as long as the bound with the same index in `StoreMetrics.bucketsMs`. */
  buckets: number[]
}

export interface StoreMetrics {
  /** When counting started, in milliseconds since 1970. All counts are of this store instance. */
  since: number
  /** `stream.append`, `kv.get`, `transaction` … */
  operations: Record<string, OperationMetrics>
  /** Upper bounds of `OperationMetrics.buckets`, in milliseconds. */
  bucketsMs: readonly number[]
  /** Events this store has appended; those of a transaction count after the commit. */
  eventsWritten: number
  /** Null before the store has connected, and on PGlite, which has no pool. */
  pool: PoolMetrics | null
  /** Calls that went through batching, and the statements sent for them. Both 0 when `batching` is off. */
  batching: { calls: number, statements: number }
  /** Open subscriptions. */
  subscriptions: number
  sweep: BackgroundMetrics & { removed: number }
  retention: BackgroundMetrics & { dropped: number, archived: number }
  /** What this process has done for each consumer, relays included. */
  consumers: Record<string, ConsumerMetrics>
  /** Messages that relays of this process have published, and attempts that failed, by topic: 100 of them, then `OTHER`. */
  outbox: { topics: Record<string, { published: number, failed: number }> }
  connection: { lost: number, restored: number }
  slowCalls: number
  conflicts: number
}

export interface ConsumerMetrics extends ConsumerCounts, ConsumerGauge {
  /** Calls of the handler, which may be given several events. */
  handler: OperationMetrics
}

export interface BackgroundMetrics {
  runs: number
  /** Runs that ended with an error. */
  failures: number
  /** Runs that ended because another instance held the job lock. */
  busy: number
  /** Milliseconds since 1970; null before the first run. */
  lastRunAt: number | null
  /** Error code of the last run; null when it had none. */
  lastError: string | null
}

/** A call, without subject, key or value. */
export interface CallInfo {
  /** `stream.append`, `kv.get`, `transaction` … */
  operation: string
  /** The table of the call's first argument; undefined for calls without one. */
  table: string | undefined
  /** Whether the call was made inside `transaction`. */
  transaction: boolean
  /** Whose handler it is, for `consumer.handle`. */
  consumer?: string
}

/** The events of `store.admin.on` with their payloads. */
export interface StoreEvents {
  /** A connection broke, or a call could not reach the database. Emitted once until the connection is restored. */
  'connection:lost': { error: StoreError }
  /** The database answers again, `downMs` milliseconds after `connection:lost`. */
  'connection:restored': { downMs: number }
  /**
   * The database continued from an earlier state, after a failover or a restore: the events with ids in
   * `(shared, position]` that subscriptions had delivered are gone.
   */
  'history:changed': { position: string, shared: string }
  /** A write lost against a concurrent one: a version conflict, a serialization failure or a deadlock. */
  'conflict': CallInfo & { code: string }
  /** A call took longer than `slowCallMs`. */
  'slow': CallInfo & { durationMs: number }
  /** A call, `sweep` or `retention` failed for a reason that the caller did not cause. */
  'error': { operation: string, error: unknown }
  /** A consumer or relay of this store has given an event up. Passwords, keys and tokens are left out of the error. */
  'deadLetter': { consumer: string, subject: string, eventId: string, attempts: number, error: { name: string, message: string, code?: string } }
  /** A run of retention has ended. */
  'retention': RetentionReport
}
