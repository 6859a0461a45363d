import type { CustomTypesConfig } from 'pg'
import pg from 'pg'
import type { Logger } from '../../shared/types'
import type { Statement } from '../../sql/statement'
import { isPlanOutdated, sqlStateOf } from '../errors'

/** How statements are sent to one database. */
export interface Wire {
  /** Whether statements are prepared. */
  prepare: boolean
  /** Number of times that plans became outdated. It is part of the names, so that statements are prepared again. */
  generation?: number
  /** Maximum time for an answer, in milliseconds; 0: no limit. */
  queryTimeout: number
  logger: Logger
}

/** The longest timer of Node. 0 would not disable the limit: `pg` treats it as "not given" and uses its own `query_timeout`. */
export const NO_LIMIT_MS = 2 ** 31 - 1

// The name is unknown on the server connection, or exists already, because it was prepared on another one.
const LOST_NAMES = new Set(['26000', '42P05'])

/** Whether a statement failed because a prepared statement was lost; nothing of it was carried out. */
export function isNameLost(error: unknown): boolean {
  return LOST_NAMES.has(sqlStateOf(error) ?? '')
}

/** Continues without prepared statements and logs the reason once. */
export function stopPreparing(wire: Wire): void {
  if (!wire.prepare) return
  wire.prepare = false
  wire.logger.warn('a connection pooler in transaction mode loses prepared statements: the store continues without them. Set `prepare: false`, or let the pooler keep them (PgBouncer 1.21 and newer: max_prepared_statements)')
}

/** The name under which a statement is prepared; undefined when it is not. */
export function nameOn(wire: Wire, { name }: Statement): string | undefined {
  if (!wire.prepare || name === undefined) return undefined
  return wire.generation === undefined ? name : `${name}_${wire.generation}`
}

/**
 * Handles the failure of a statement that was prepared under the name `used`.
 * @returns whether the statement can be sent again under its current name
 */
export function renames(wire: Wire, error: unknown, statement: Statement, used: string | undefined): boolean {
  if (used === undefined) return false
  if (isNameLost(error)) stopPreparing(wire)
  else if (!isPlanOutdated(error)) return false
  // Not when a concurrent statement has already increased the number.
  else if (used === nameOn(wire, statement)) wire.generation = (wire.generation ?? 0) + 1
  return true
}

const BIGINT = 20
const JSON_OIDS = new Set([114, 3802])
const asText = (value: string) => value

/** The parsers that the codecs rely on: `bigint` and JSON as strings. Set per statement, so that the pool's parsers stay as they are. */
export const textual: CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === BIGINT || JSON_OIDS.has(oid) ? asText : pg.types.getTypeParser(oid, format)) as CustomTypesConfig['getTypeParser'],
}
