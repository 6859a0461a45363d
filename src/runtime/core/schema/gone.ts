import { sqlStateOf } from '../db/errors'
import type { Queryable } from '../db/types'
import { isStoreError } from '../shared/errors'
import { migrations as released } from './migrations.gen'
import type { SchemaNames } from './types'
import { checkedState } from './versions'

// A table, a column or a function that a statement names is not there.
const GONE = new Set(['42P01', '42703', '42883'])

/**
 * For a call that failed: when a breaking migration of a newer build took away what it needs, that is what the
 * caller has to know. Anything else is thrown as it came.
 * @throws {StoreError} SCHEMA_TOO_NEW, or `error`
 */
export async function explainGone(db: Queryable, names: SchemaNames, error: unknown): Promise<never> {
  if (GONE.has(sqlStateOf(error) ?? '')) {
    // An answer that can't be had explains nothing: the caller's own error stands.
    const reason = await checkedState(db, names, released).then(() => undefined, (found: unknown) => found)
    if (isStoreError(reason) && reason.code === 'SCHEMA_TOO_NEW') throw reason
  }
  throw error
}
