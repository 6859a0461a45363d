export interface PendingMigration {
  version: number
  name: string
  /** Whether it runs in one transaction, or statement by statement. */
  transaction: boolean
  /** Whether builds that do not know it are refused afterwards. */
  breaking: boolean
  /** Statements that an earlier run has done; 0 for one that was not begun. */
  done: number
}

export interface MigrationPlan {
  /** Version of the schema in the database; 0 when there is none. */
  version: number
  /** Version this build works with. */
  latest: number
  pending: PendingMigration[]
  /** What becomes of the tables of the published adapter, when they are the ones that are there. */
  adoption?: AdoptionPlan
}

/** What `migrate` would do with a database of the published adapter. Plain data, for a dry run. */
export interface AdoptionPlan {
  /** The package that made the tables. */
  from: string
  /** Version of its schema. */
  version: number
  /** The tables that are copied, each with all its rows; `bytes` with indexes, needed once more while it lasts. */
  tables: { table: string, rows: number, bytes: number }[]
  /** Runs with counters among their emitted events: these go back to their columns. */
  misplacedCounters: number
  /** Its function `jsonb_deep_merge`: replaced by ours, left alone because others use it, or not in the schema. */
  helper: 'replaced' | 'left alone' | 'absent'
  /** What others have put on its tables and goes with them: indexes, triggers, policies. */
  lost: string[]
  /** Why `migrate` refuses, each with what to do; empty when it does not. */
  problems: string[]
}

/** Something in the database that is not what the migrations made. */
export interface DriftFinding {
  object: 'table' | 'column' | 'key' | 'index' | 'sequence' | 'function'
  /** `nvent_kv`, `nvent_kv.value`, `idx_nvent_kv_expires` … */
  name: string
  problem: 'missing' | 'different' | 'invalid' | 'unexpected'
  expected?: string
  actual?: string
  /** `fail`: calls fail, or are wrong; `warn`: they are slow, or something is not as it is known. */
  level: 'warn' | 'fail'
  message: string
  advice: string
}
