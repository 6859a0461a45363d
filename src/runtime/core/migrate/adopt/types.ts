/** How the tables of one schema version of the published adapter become ours. Both are SQL as in a migration. */
export interface Adoption {
  /** Version of its schema, not of ours. */
  version: number
  /** Moves its tables out of the way of the first migration. */
  setAside: string
  /** Copies every row behind the first migration, and drops the tables set aside. */
  copy: string
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
