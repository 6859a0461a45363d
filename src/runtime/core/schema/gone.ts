import { sqlStateOf } from '../db/errors'
import type { Queryable } from '../db/types'
import { isStoreError } from '../shared/errors'
import { migrations as released } from './migrations.gen'
import type { SchemaNames } from './types'
import { checkedState } from './versions'

// SQLSTATEs for a table, column or function that does not exist.
const GONE = new Set(['42P01', '42703', '42883'])

/**
 * Explains the error of a failed call when a breaking migration of a newer build has removed what it needs. All other
 * errors are rethrown unchanged.
 * @throws {StoreError} SCHEMA_TOO_NEW, or `error`
 */
export async function explainGone(db: Queryable, names: SchemaNames, error: unknown): Promise<never> {
  if (GONE.has(sqlStateOf(error) ?? '')) {
    // When this check fails as well, the original error is thrown.
    const reason = await checkedState(db, names, released).then(() => undefined, (found: unknown) => found)
    if (isStoreError(reason) && reason.code === 'SCHEMA_TOO_NEW') throw reason
  }
  throw error
}
