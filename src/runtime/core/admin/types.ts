import type { ConsumersAdmin } from '../consumers/adminTypes'
import type { RetentionAdmin } from '../jobs/retention/types'
import type { StoreMetrics, StoreEvents } from '../observability/types'
import type { StreamTable } from '../partitions/subjectTables'
import type { MigrationPlan, DriftFinding } from '../schema/types'
import type { Members } from '../shared/types'

export type HealthStatus = 'ok' | 'degraded' | 'down'

export interface HealthCheck {
  status: HealthStatus
  /** Why it is not `ok`, without names of hosts, users or subjects. Consumers are named. */
  reason?: string
  /** Findings: numbers and short strings. */
  [detail: string]: unknown
}

export interface HealthError {
  code: string
  message: string
}

export interface StoreHealth {
  /** `down`: calls fail. `degraded`: calls work, but something needs attention. */
  status: HealthStatus
  /** Milliseconds since 1970, on the clock of this process. */
  timestamp: number
  checks: Record<string, HealthCheck>
  error?: HealthError
}

export interface HealthOptions {
  /** How long to wait for the database, in milliseconds. Default: 5000. */
  timeoutMs?: number
  /**
   * Milliseconds after which a consumer counts as stale: events wait, and no process looks after all of them. For one that
   * only a cron job runs, longer than its interval.
   * @default 60000
   */
  consumerStaleMs?: number
  /** How old the first event that is not handled may be, in milliseconds. Default: any age. */
  consumerLagMs?: number
}

export const HEALTH_OPTIONS: Members<HealthOptions> = { timeoutMs: true, consumerStaleMs: true, consumerLagMs: true }

export interface StoreAdmin {
  /**
   * Migrates the schema to the version of this build, also when `autoMigrate` is off. Resolves with the new version
   * and the number of migrations that were applied.
   * @throws {StoreError} MIGRATION_FAILED, SCHEMA_TOO_NEW, CONNECTION; INVALID_CALL inside `transaction`
   */
  migrate(): Promise<{ version: number, applied: number }>
  /** Version of the schema in the database; 0 when there are no tables. */
  version(): Promise<number>
  /**
   * What `migrate` would do, without doing it.
   * @throws {StoreError} MIGRATION_FAILED, SCHEMA_TOO_NEW, CONNECTION
   */
  plan(): Promise<MigrationPlan>
  /** Differences between the tables and what this build expects; empty when there are none. */
  drift(): Promise<DriftFinding[]>
  /**
   * Reverts migrations until the schema is at `version`. **0 drops every table of the prefix with all data.**
   * Stop all processes that use the store first.
   * @throws {StoreError} MIGRATION_FAILED; INVALID_CALL inside `transaction`
   */
  rollbackTo(version: number): Promise<void>
  /** The tables of subject types: each is a partition for one subject prefix. */
  streamTables(): Promise<StreamTable[]>
  /**
   * Drops the table of a subject prefix (`nq:flow`) **with all its events**; resolves with false when there is none.
   * Archived events are kept.
   * @throws {StoreError} TIMEOUT when transactions lock the table, or append to it, for more than 30 s; INVALID_CALL
   *   inside `transaction`
   */
  dropStreamTable(subjectPrefix: string): Promise<boolean>
  readonly retention: RetentionAdmin
  /** The consumers of this database, whichever process they run in. */
  readonly consumers: ConsumersAdmin
  /**
   * Checks the database, the schema, the pool, the background jobs and the consumers. A failure is part of the result.
   * @throws {StoreError} INVALID_VALUE for invalid options only
   */
  health(options?: HealthOptions): Promise<StoreHealth>
  /** Metrics since this store was created. Sends nothing to the database. */
  metrics(): StoreMetrics
  /**
   * Calls `listener` for each event of that name, until the returned function is called. An error of a listener is
   * logged and has no other effect.
   * @throws {StoreError} INVALID_VALUE for an unknown event name
   * @example const stop = store.admin.on('connection:lost', ({ error }) => alert(error.code))
   */
  on<E extends keyof StoreEvents>(event: E, listener: (payload: StoreEvents[E]) => unknown): () => void
}
