import type { PoolMetrics } from '../db/types'
import type { RetentionReport } from '../jobs/retention/types'
import type { StoreError } from '../shared/errors'

export interface OperationMetrics {
  /** Calls that have ended, well or not. */
  calls: number
  /** Calls that were rejected, by the code of their error; `OTHER` for errors that are not the store's. */
  errors: Record<string, number>
  /** Calls under way. */
  active: number
  totalMs: number
  maxMs: number
  /** Calls that took at most so many milliseconds, one for each of `StoreMetrics.bucketsMs`. */
  buckets: number[]
}

export interface StoreMetrics {
  /** Since when everything is counted: milliseconds since 1970. Counts belong to this store of this process. */
  since: number
  /** `stream.append`, `kv.get`, `transaction` … */
  operations: Record<string, OperationMetrics>
  /** Upper bounds of `OperationMetrics.buckets`, in milliseconds. */
  bucketsMs: readonly number[]
  /** Events this store appended; those of a transaction once it is committed. */
  eventsWritten: number
  /** Null before the start, and on a database without a pool. */
  pool: PoolMetrics | null
  /** Calls that went out, and statements they went out in. Both 0 when `batching` is off. */
  batching: { calls: number, statements: number }
  /** Subscriptions that are open. */
  subscriptions: number
  sweep: BackgroundMetrics & { removed: number }
  retention: BackgroundMetrics & { dropped: number, archived: number }
  connection: { lost: number, restored: number }
  slowCalls: number
  conflicts: number
}

export interface BackgroundMetrics {
  runs: number
  /** Runs that ended with an error. */
  failures: number
  /** Runs that left the work to another instance. */
  busy: number
  /** Milliseconds since 1970; null before the first run. */
  lastRunAt: number | null
  /** Code of the error the last run ended with; null when it went well. */
  lastError: string | null
}

/** A call, without subject, key or value. */
export interface CallInfo {
  /** `stream.append`, `kv.get`, `transaction` … */
  operation: string
  /** The table the call went to, where it is one. */
  table: string | undefined
  /** Made inside `transaction`. */
  transaction: boolean
}

/** Everything `store.admin.on` can listen to. */
export interface StoreEvents {
  /** A connection broke, or a call could not reach the database. Once, until it is restored. */
  'connection:lost': { error: StoreError }
  /** The database has answered again. */
  'connection:restored': { downMs: number }
  /** Somebody else was first: another version, or a transaction that PostgreSQL ended. */
  /** The database has gone on from an earlier state: what was given of `(shared, position]` is gone. */
  'history:changed': { position: string, shared: string }
  'conflict': CallInfo & { code: string }
  /** A call took longer than `slowCallMs`. */
  'slow': CallInfo & { durationMs: number }
  /** Something failed that no caller is to blame for: a call, `sweep` or `retention`. */
  'error': { operation: string, error: unknown }
  /** A run of retention has ended. */
  'retention': RetentionReport
}
