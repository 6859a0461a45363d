import { setTimeout as sleep } from 'node:timers/promises'
import type { Db, Queryable, Session } from '../db/types'
import { lockKey } from '../shared/advisoryLock'
import { createBackoff } from '../shared/backoff'
import type { SchemaNames } from './types'

const FIRST_PAUSE_MS = 20
const MAX_PAUSE_MS = 1_000
const FIX_SEARCH_PATH = 'set local search_path = pg_catalog, pg_temp'

/**
 * Runs `work` in a transaction that holds the migration lock of the schema. Other processes poll for the lock instead of
 * waiting inside the database: `create index concurrently` waits for every running statement, and a statement that waited
 * for the lock would wait for the index. The lock belongs to the transaction, so it is released when its process ends,
 * and works behind a pooler in transaction mode.
 */
export async function locked<T>(db: Db, names: SchemaNames, work: (session: Session) => Promise<T>): Promise<T> {
  for (const backoff = createBackoff({ first: FIRST_PAUSE_MS, max: MAX_PAUSE_MS, jitter: [0.5, 1.5] }); ;) {
    const outcome = await db.atomic(async (session) => {
      // Explicit, independent of the database's default: changes that other processes made before the lock was free have
      // to be visible, and no snapshot may be held between statements, since building an index would wait for it.
      await session.script('set transaction isolation level read committed')
      await fixSearchPath(session)
      return await tryLock(session, names) ? { result: await work(session) } : undefined
    }, { patient: true })
    if (outcome) return outcome.result
    await sleep(backoff.next())
  }
}

/**
 * Makes names in migrations resolve to the server's own functions, operators and types, even when other roles have
 * created some with the same name on the search path. Set for the transaction, so that it works behind a pooler.
 */
export function fixSearchPath(transaction: Session): Promise<void> {
  return transaction.script(FIX_SEARCH_PATH)
}

/** Disables time-outs for a transaction that only holds the lock while other connections work. */
export async function neverIdleOut(session: Queryable): Promise<void> {
  await session.query({
    text: `select pg_catalog.set_config(name, '0', true) from pg_catalog.pg_settings
      where name in ('idle_in_transaction_session_timeout', 'transaction_timeout')`,
    values: [],
  })
}

// One lock per schema, not per prefix: two prefixes may create the same schema, and share its helper function.
async function tryLock(session: Queryable, { schema }: SchemaNames): Promise<boolean> {
  const { rows: [row] } = await session.query<{ locked: boolean }>({
    text: 'select pg_catalog.pg_try_advisory_xact_lock($1::bigint) as locked', values: [lockKey('migrate', schema)],
  })
  return row!.locked
}
