import { invalidOption } from '../shared/errors'
import type { Queryable } from './types'

const FIRST = /^\s*(?:"?pg_temp"?\s*,\s*)?"?pg_catalog"?\s*(?:,|$)/i
const NAMED = /\bpg_catalog\b/i

/** Whether the server's own operators and types are found before those of anybody else: left out, pg_catalog comes first. */
export const isSafePath = (path: string): boolean => FIRST.test(path) || !NAMED.test(path)

/**
 * Makes sure that nobody who may create operators or types in a schema of the search path has them used by the store:
 * it names functions with their schema, but `=` and `text` mean what is found first.
 * @throws {StoreError} INVALID_OPTION
 */
export async function requireSafePath(db: Queryable): Promise<void> {
  const { rows: [row] } = await db.query<{ search_path: string }>({ text: 'show search_path', values: [] })
  if (isSafePath(row!.search_path)) return
  throw invalidOption(
    'connection',
    `has a search_path (${row!.search_path}) that looks into other schemas before pg_catalog, so that whoever may create operators there has them run by the store: leave pg_catalog out of the list, then it comes first by itself (alter role … set search_path = …)`,
  )
}
