import type { StoreError } from '../shared/errors'
import type { Members } from '../shared/members'
import type { DriftFinding, MigrationPlan } from './schema'

/** Which events go, and when. At least one of `maxAge` and `maxCount`; an event goes when either says so. */
export interface RetentionRule {
  /** Subjects: `*` any run of characters, `?` one, all else literal. `orders:*` are the streams of type `orders`. */
  subject: string
  /** Events older than this go: milliseconds, or a text like `'30d'` (`s`, `m`, `h`, `d`, `w`). */
  maxAge?: number | string
  /** Of every subject the newest so many events stay. */
  maxCount?: number
  /** `drop` deletes, `archive` moves to `{prefix}_events_archive` in the same transaction. */
  action: 'drop' | 'archive'
}

export interface RetentionRuleReport {
  subject: string
  action: 'drop' | 'archive'
  /** Events this run took out. */
  events: number
}

export interface RetentionReport {
  /** Another instance is at it: this run stopped where it was. */
  busy: boolean
  events: number
  durationMs: number
  rules: RetentionRuleReport[]
}

export interface RetentionAdmin {
  /**
   * Takes out the events that the option `retention` gives no more room, in steps of a bounded number of rows.
   * One instance at a time does this; another one gives up with `busy: true`.
   */
  run(options?: RetentionRunOptions): Promise<RetentionReport>
}

export interface RetentionRunOptions {
  /** Count what would go, and change nothing. Of an event that several rules mean, each counts it. Default: false. */
  dryRun?: boolean
}

export const RETENTION_RUN_OPTIONS: Members<RetentionRunOptions> = { dryRun: true }

export type HealthStatus = 'ok' | 'degraded' | 'down'

export interface HealthCheck {
  status: HealthStatus
  /** Why it is not `ok`, without names of hosts, users or subjects. */
  reason?: string
  /** What was found: numbers and short words. */
  [detail: string]: unknown
}

export interface HealthError {
  code: string
  message: string
}

export interface StoreHealth {
  /** `down`: calls fail. `degraded`: calls work, and somebody should look. */
  status: HealthStatus
  /** Milliseconds since 1970, on the clock of this process. */
  timestamp: number
  checks: Record<string, HealthCheck>
  error?: HealthError
}

export interface HealthOptions {
  /** How long to wait for the database, in milliseconds. Default: 5000. */
  timeoutMs?: number
}

export const HEALTH_OPTIONS: Members<HealthOptions> = { timeoutMs: true }

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

/** Connections of the pool. */
export interface PoolMetrics {
  /** Open connections. */
  total: number
  /** Open connections that nobody uses. */
  idle: number
  /** Calls that wait for a connection. */
  waiting: number
  /** Most connections. */
  max: number
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

export interface StreamTable {
  /** `nq:flow` for the events of `nq:flow:*`. */
  subjectPrefix: string
  tableName: string
}

export interface StoreAdmin {
  /**
   * Brings the schema up to date, also when `autoMigrate` is off.
   * @throws {StoreError} MIGRATION_FAILED, SCHEMA_TOO_NEW, CONNECTION
   */
  migrate(): Promise<{ version: number, applied: number }>
  /** Version of the schema in the database; 0 when there is none. */
  version(): Promise<number>
  /**
   * What `migrate` would do, without doing it.
   * @throws {StoreError} MIGRATION_FAILED, SCHEMA_TOO_NEW, CONNECTION
   */
  plan(): Promise<MigrationPlan>
  /** Where the tables are not what this build expects; empty when nothing is wrong. */
  drift(): Promise<DriftFinding[]>
  /**
   * Takes migrations back until the schema is at `version`. **0 drops every table of the prefix with all data.**
   * Stop what uses the store first.
   * @throws {StoreError} MIGRATION_FAILED; INVALID_CALL inside `transaction`
   */
  rollbackTo(version: number): Promise<void>
  /** The tables that generic streams have of their own. */
  streamTables(): Promise<StreamTable[]>
  /**
   * Drops the table of a subject prefix (`nq:flow`) **with all its events**; false when it has none. What is in the
   * archive stays there.
   * @throws {StoreError} TIMEOUT when transactions hold it, or append to it, for longer than half a minute; INVALID_CALL inside `transaction`
   */
  dropStreamTable(subjectPrefix: string): Promise<boolean>
  readonly retention: RetentionAdmin
  /** How the store is. Never rejects: what fails is in the answer. */
  health(options?: HealthOptions): Promise<StoreHealth>
  /** Counts since this store was made. Asks nothing of the database. */
  metrics(): StoreMetrics
  /**
   * Calls `listener` for each event of that name, until the returned function is called. What a listener throws is
   * logged and stops nobody.
   * @example const stop = store.admin.on('connection:lost', ({ error }) => alert(error.code))
   */
  on<E extends keyof StoreEvents>(event: E, listener: (payload: StoreEvents[E]) => unknown): () => void
}
