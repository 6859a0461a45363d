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
