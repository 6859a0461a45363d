import type { Pool, PoolClient } from 'pg'
import { StoreError } from '../../shared/errors'
import { borrow, lossOf } from './borrow'
import { CLOSE_ALL, RESET_SETTINGS, withCallersSql } from '../callerSql'
import { isUseless } from '../errors'
import { openScope } from '../transactionScope'
import { onClient, querying } from './send'
import type { AtomicOptions, Session } from '../types'
import { NO_LIMIT_MS } from './wire'
import type { Wire } from './wire'

// On a network that drops packets, the rollback must not delay the caller's error.
const ROLLBACK_TIMEOUT_MS = 5_000

// Session-level advisory locks and prepared statements outlive a transaction. They are removed in the same message as the
// commit or rollback: behind a pooler, the next message may go to another server connection.
const UNLOCK = 'select pg_catalog.pg_advisory_unlock_all()'
const commitOf = (isChanged: boolean) => isChanged ? `commit; ${UNLOCK}` : 'commit'
const rollbackOf = (isChanged: boolean) => isChanged ? `rollback; deallocate all; ${UNLOCK}` : 'rollback'

/** Runs work on one connection, between `begin` and `commit`. */
export async function inTransaction<T>(
  pool: Pool, wire: Wire, work: (session: Session) => Promise<T>, { patient = false, isolation = 'read committed', idleTimeout }: AtomicOptions = {},
): Promise<T> {
  const client = await borrow(pool)
  let useless: Error | undefined
  const send = onClient(client, (failure) => {
    if (isUseless(failure)) useless ??= failure
  })
  const queryTimeout = patient ? NO_LIMIT_MS : wire.queryTimeout
  const callers = withCallersSql(querying(send, wire, queryTimeout))
  const scope = openScope(callers.statements)
  try {
    // The level is explicit, because a stricter default of the database would cause serialization failures.
    const settings = [patient && 'statement_timeout = 0', idleTimeout !== undefined && `idle_in_transaction_session_timeout = ${idleTimeout}`]
    const text = [`begin isolation level ${isolation}`, ...settings.filter(Boolean).map(setting => `set local ${setting}`)].join('; ')
    await send({ text, query_timeout: queryTimeout })
    const result = await work(scope.session)
    await scope.finish()
    callers.check()
    if (isOver(client)) throw endedInTheMiddle()
    // Behind a pooler, session state would stay on its server connection, which ending this client does not close.
    if (callers.isChanged()) await send({ text: `${RESET_SETTINGS}; ${CLOSE_ALL}; unlisten *`, query_timeout: queryTimeout })
    const { command } = await send({ text: commitOf(callers.isChanged()), query_timeout: queryTimeout })
    if (command === 'ROLLBACK') throw failedBefore()
    return result
  }
  catch (error) {
    const cut = inTime(scope.cut(), ROLLBACK_TIMEOUT_MS)
    // The server rolls back by itself when the connection is lost; the client must not return to the pool.
    useless ??= lossOf(client)
    if (!useless && !await cut) useless = new Error('a statement of a transaction that failed has no answer')
    if (!useless) await send({ text: rollbackOf(callers.isChanged()), query_timeout: ROLLBACK_TIMEOUT_MS }).catch((failure: Error) => {
      useless ??= failure
    })
    throw error
  }
  finally {
    client.release(useless ?? lossOf(client) ?? callers.isChanged())
  }
}

/** Whether a promise that never rejects resolves within `ms` milliseconds. */
function inTime(end: Promise<void>, ms: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms, false)
    void end.then(() => {
      clearTimeout(timer)
      resolve(true)
    })
  })
}

/** Whether a statement has ended the transaction without being recognized. The native client does not report this. */
const isOver = (client: PoolClient & { getTransactionStatus?(): unknown }): boolean => client.getTransactionStatus?.() === 'I'

function endedInTheMiddle(): StoreError {
  return new StoreError('INVALID_CALL', 'a statement inside the transaction has ended it: whether earlier statements were kept depends on that statement, and later ones were kept')
}

/** PostgreSQL answers `commit` of a failed transaction with a rollback and no error. */
function failedBefore(): StoreError {
  return new StoreError('DATABASE', 'nothing of the transaction was kept: one of its statements failed, and the error was caught inside')
}
