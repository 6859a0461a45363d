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
}
