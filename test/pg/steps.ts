import type { Migration } from '../../src/runtime/core/schema/types'

export const step = (version: number, up: string, down?: string): Migration =>
  ({ version, name: `step ${version}`, checksum: `sum of ${version}: ${up}`, up, ...(down !== undefined && { down }) })

/** A migration that makes the table `{prefix}_{version}`, and drops it on the way back. */
export const table = (version: number): Migration =>
  step(version, `create table "{schema}"."{prefix}_${version}" (id int)`, `drop table "{schema}"."{prefix}_${version}"`)

/** A migration that runs statement by statement. */
export const inStatements = (version: number, up: string, down?: string): Migration => ({ ...step(version, up, down), transaction: false })
