/** The schema of a store's tables and the prefix of their names. */
export interface SchemaNames {
  schema: string
  prefix: string
}

/** One step of the schema. `up` and `down` are SQL in which `{schema}` and `{prefix}` are filled in. */
export interface Migration {
  version: number
  name: string
  /** SHA-256 of the SQL file: a released migration never changes. */
  checksum: string
  up: string
  down?: string
  /**
   * False: the statements of `up` run one by one, each committed on its own, and an interrupted run continues where it
   * stopped. `down` always runs in one transaction.
   * @default true
   */
  transaction?: boolean
  /**
   * Whether builds that do not know this migration can't work with the migrated schema and are refused.
   * @default false
   */
  breaking?: boolean
}

export interface SchemaNames {
  schema: string
  prefix: string
}

export interface SchemaState {
  /** Version of the schema in the database; 0 when there is none. */
  version: number
  /** Number of migrations that this run applied. */
  applied: number
  /** The schema whose tables of the published adapter this run adopted. */
  adoptedFrom?: string
}

/** Progress of a migration without a transaction. */
export interface MigrationProgress {
  version: number
  name: string
  /** Number of the running statement, starting at 1. */
  statement: number
  /** Number of statements of the migration. */
  statements: number
  /** Number of rows that batches of this statement have changed so far. */
  rows: number
}

export interface PendingMigration {
  version: number
  name: string
  /** True when it runs in one transaction, false when statement by statement. */
  transaction: boolean
  /** Whether builds that do not know it are refused afterwards. */
  breaking: boolean
  /** Number of statements that an earlier, interrupted run has completed. */
  done: number
}

export interface MigrationPlan {
  /** Version of the schema in the database; 0 when there is none. */
  version: number
  /** Version this build works with. */
  latest: number
  pending: PendingMigration[]
  /** What happens to existing tables of the published adapter; absent when there are none. */
  adoption?: AdoptionPlan
}

/** What `migrate` would do with the tables of the published adapter. Plain data, for a dry run. */
export interface AdoptionPlan {
  /** The package that created the tables. */
  from: string
  /** Version of its schema. */
  version: number
  /** The tables that are copied with all rows. `bytes` includes indexes; the copy needs the same space again until it ends. */
  tables: { table: string, rows: number, bytes: number }[]
  /** Number of runs with counters among their emitted events, which are moved back to their columns. */
  misplacedCounters: number
  /** The adapter's function `jsonb_deep_merge`: replaced, left alone because it is used elsewhere, or not in the schema. */
  helper: 'replaced' | 'left alone' | 'absent'
  /** Indexes, triggers and policies that were added to its tables and are dropped with them. */
  lost: string[]
  /** The reasons for which `migrate` refuses, each with what to do; empty when it does not. */
  problems: string[]
}

/** A difference between the database and the schema that the migrations create. */
export interface DriftFinding {
  object: 'table' | 'column' | 'key' | 'index' | 'sequence' | 'function'
  /** `nvent_kv`, `nvent_kv.value`, `idx_nvent_kv_expires` … */
  name: string
  problem: 'missing' | 'different' | 'invalid' | 'unexpected'
  expected?: string
  actual?: string
  /** `fail`: calls fail or return wrong results; `warn`: calls are slow, or a definition is unexpected. */
  level: 'warn' | 'fail'
  message: string
  advice: string
}

/** The database and schema of a store. Contains no secrets, so it may be logged. */
export interface StoreInfo {
  driver: 'postgres' | 'pglite'
  /** `host:port/database`, or the directory of an embedded database, or `memory`. */
  database: string
  schema: string
  prefix: string
  /** Version of the schema in the database. */
  schemaVersion: number
  /** Number of migrations that this start applied. */
  applied: number
  /** The schema whose tables of the published adapter this start adopted. */
  adoptedFrom?: string
  /** PostgreSQL version, as reported by the server. */
  serverVersion: string
}

/** How the tables of one schema version of the published adapter are adopted. Both members are SQL, as in a migration. */
export interface Adoption {
  /** Version of the adapter's schema, not of the store's. */
  version: number
  /** Renames its tables, so that the first migration can create the store's. */
  setAside: string
  /** Copies every row after the first migration, and drops the renamed tables. */
  copy: string
}
