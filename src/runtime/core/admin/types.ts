import type { RetentionAdmin } from '../jobs/retention/types'
import type { StoreMetrics, StoreEvents } from '../observability/types'
import type { StreamTable } from '../partitions/subjectTables'
import type { MigrationPlan, DriftFinding } from '../schema/types'
import type { Members } from '../shared/types'

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
