import { invalidOption } from '../shared/errors'
import type { Queryable } from './types'

const FIRST = /^\s*(?:"?pg_temp"?\s*,\s*)?"?pg_catalog"?\s*(?:,|$)/i
const NAMED = /\bpg_catalog\b/i

/** Whether the server's own operators and types are found first. When pg_catalog is not listed, PostgreSQL searches it first. */
export const isSafePath = (path: string): boolean => FIRST.test(path) || !NAMED.test(path)

/**
 * Ensures that operators and types created by other roles in a schema of the search path are not used by the store. The
 * store qualifies functions with their schema, but `=` and `text` resolve to whatever is found first.
 * @throws {StoreError} INVALID_OPTION
 */
export async function requireSafePath(db: Queryable): Promise<void> {
  const { rows: [row] } = await db.query<{ search_path: string }>({ text: 'show search_path', values: [] })
  if (isSafePath(row!.search_path)) return
  throw invalidOption(
    'connection',
    `has a search_path (${row!.search_path}) that searches other schemas before pg_catalog, so that the store would run operators which other roles create there: leave pg_catalog out of the list, then it is searched first (alter role … set search_path = …)`,
  )
}
