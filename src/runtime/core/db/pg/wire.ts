import type { CustomTypesConfig } from 'pg'
import pg from 'pg'
import type { Logger } from '../../shared/types'
import type { Statement } from '../../sql/statement'
import { isPlanOutdated, sqlStateOf } from '../errors'

/** How statements travel to one database. */
export interface Wire {
  /** Whether statements are prepared under their names. */
  prepare: boolean
  /** Counts how often plans became outdated: names that carry the number are prepared again. */
  generation?: number
  /** How long an answer may take, in milliseconds; 0: as long as it takes. */
  queryTimeout: number
  logger: Logger
}

/** As long as a timer of Node can be: `pg` takes 0 for "not given", and then its own `query_timeout`. */
export const NO_LIMIT_MS = 2 ** 31 - 1

// The name is unknown to the server's connection, or known to it already: it was given on another one.
const LOST_NAMES = new Set(['26000', '42P05'])

/** Whether a statement failed because the name it was prepared under got lost; nothing of it was carried out. */
export function isNameLost(error: unknown): boolean {
  return LOST_NAMES.has(sqlStateOf(error) ?? '')
}

/** Goes on without prepared statements, and says once why. */
export function stopPreparing(wire: Wire): void {
  if (!wire.prepare) return
  wire.prepare = false
  wire.logger.warn('a connection pooler in transaction mode stands before the database and loses prepared statements: the store goes on without them. Set `prepare: false`, or let the pooler keep them (PgBouncer 1.21 and newer: max_prepared_statements)')
}

/** The name a statement is prepared under, if it is. */
export function nameOn(wire: Wire, { name }: Statement): string | undefined {
  if (!wire.prepare || name === undefined) return undefined
  return wire.generation === undefined ? name : `${name}_${wire.generation}`
}

/**
 * Notes why a statement failed that was prepared under `used`.
 * @returns whether the same statement can be sent again, under the name it has now
 */
export function renames(wire: Wire, error: unknown, statement: Statement, used: string | undefined): boolean {
  if (used === undefined) return false
  if (isNameLost(error)) stopPreparing(wire)
  else if (!isPlanOutdated(error)) return false
  // One that failed beside it may have been the first.
  else if (used === nameOn(wire, statement)) wire.generation = (wire.generation ?? 0) + 1
  return true
}

const BIGINT = 20
const JSON_OIDS = new Set([114, 3802])
const asText = (value: string) => value

/** The parsers that the codec counts on: `bigint` and JSON as text, for one statement at a time. */
export const textual: CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === BIGINT || JSON_OIDS.has(oid) ? asText : pg.types.getTypeParser(oid, format)) as CustomTypesConfig['getTypeParser'],
}
