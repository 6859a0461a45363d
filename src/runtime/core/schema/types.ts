/** Where the tables of a store are, and how their names begin. */
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
   * False: the statements of `up` run one by one, each committed on its own, and a run that was cut off goes on
   * where it was. `down` is always one transaction.
   * @default true
   */
  transaction?: boolean
  /**
   * Builds that do not know this migration can't work with the schema once it runs, and are refused.
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
  /** Migrations this run applied. */
  applied: number
  /** The schema whose tables of the published adapter this run adopted. */
  adoptedFrom?: string
}

/** How far a migration without a transaction has come. */
export interface MigrationProgress {
  version: number
  name: string
  /** The statement that is under way, from 1 on. */
  statement: number
  statements: number
  /** Rows that its batches have changed so far. */
  rows: number
}

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

/** What a store is connected to. Holds no secret, so it may be logged. */
export interface StoreInfo {
  driver: 'postgres' | 'pglite'
  /** `host:port/database`, or the directory of an embedded database, or `memory`. */
  database: string
  schema: string
  prefix: string
  /** Version of the schema in the database. */
  schemaVersion: number
  /** Migrations this start applied. */
  applied: number
  /** The schema whose tables of the published adapter this start adopted. */
  adoptedFrom?: string
  /** Server version, as the server says it. */
  serverVersion: string
}

/** How the tables of one schema version of the published adapter become ours. Both are SQL as in a migration. */
export interface Adoption {
  /** Version of its schema, not of ours. */
  version: number
  /** Moves its tables out of the way of the first migration. */
  setAside: string
  /** Copies every row behind the first migration, and drops the tables set aside. */
  copy: string
}
