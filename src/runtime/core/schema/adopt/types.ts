/** How the tables of one schema version of the published adapter become ours. Both are SQL as in a migration. */
export interface Adoption {
  /** Version of its schema, not of ours. */
  version: number
  /** Moves its tables out of the way of the first migration. */
  setAside: string
  /** Copies every row behind the first migration, and drops the tables set aside. */
  copy: string
}
