import { setTimeout as sleep } from 'node:timers/promises'
import type { Db, Queryable, Session } from '../db/types'
import { lockKey } from '../shared/advisoryLock'
import { createBackoff } from '../shared/backoff'
import type { SchemaNames } from './types'

const FIRST_PAUSE_MS = 20
const MAX_PAUSE_MS = 1_000
const FIX_SEARCH_PATH = 'set local search_path = pg_catalog, pg_temp'

/**
 * Runs `work` in a transaction that holds the migration lock of the schema; whoever comes meanwhile looks again and
 * again. Nobody waits inside the database: an index that is built concurrently waits for every statement under way,
 * and a statement that waited for the lock would wait for the index. The lock belongs to the transaction, so it is
 * gone when its process is, and holds behind a pooler in transaction mode.
 */
export async function locked<T>(db: Db, names: SchemaNames, work: (session: Session) => Promise<T>): Promise<T> {
  for (const backoff = createBackoff({ first: FIRST_PAUSE_MS, max: MAX_PAUSE_MS, jitter: [0.5, 1.5] }); ;) {
    const outcome = await db.atomic(async (session) => {
      // Whatever the database's default is: what others did before the lock was free has to be seen, and between
      // two statements no snapshot may be held that an index would wait for.
      await session.script('set transaction isolation level read committed')
      await fixSearchPath(session)
      return await tryLock(session, names) ? { result: await work(session) } : undefined
    }, { patient: true })
    if (outcome) return outcome.result
    await sleep(backoff.next())
  }
}

/**
 * Lets the names in migrations mean the server's own functions, operators and types, whoever else has made some of the
 * same name on the search path. For the rest of the transaction, so that it holds behind a pooler, too.
 */
export function fixSearchPath(transaction: Session): Promise<void> {
  return transaction.script(FIX_SEARCH_PATH)
}

/** Keeps the server from ending a transaction that only holds the lock while other connections work. */
export async function neverIdleOut(session: Queryable): Promise<void> {
  await session.query({
    text: `select pg_catalog.set_config(name, '0', true) from pg_catalog.pg_settings
      where name in ('idle_in_transaction_session_timeout', 'transaction_timeout')`,
    values: [],
  })
}

// One lock a schema, not a prefix: two prefixes may create the same schema and share its helper function.
async function tryLock(session: Queryable, { schema }: SchemaNames): Promise<boolean> {
  const { rows: [row] } = await session.query<{ locked: boolean }>({
    text: 'select pg_catalog.pg_try_advisory_xact_lock($1::bigint) as locked', values: [lockKey('migrate', schema)],
  })
  return row!.locked
}
