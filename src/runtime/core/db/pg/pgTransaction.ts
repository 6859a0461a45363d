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

// A network that swallows packets must not hold up whoever has failed already.
const ROLLBACK_TIMEOUT_MS = 5_000

// No end of a transaction takes these back. In one message with it: the next one may go to another server behind a pooler.
const UNLOCK = 'select pg_catalog.pg_advisory_unlock_all()'
const commitOf = (isChanged: boolean) => isChanged ? `commit; ${UNLOCK}` : 'commit'
const rollbackOf = (isChanged: boolean) => isChanged ? `rollback; deallocate all; ${UNLOCK}` : 'rollback'

/** Runs work on one connection, between `begin` and `commit`. */
export async function inTransaction<T>(
  pool: Pool, wire: Wire, work: (session: Session) => Promise<T>, { patient = false, isolation = 'read committed' }: AtomicOptions = {},
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
    // Whatever the default of the database is: a stricter level has failures of its own.
    await send({ text: `begin isolation level ${isolation}${patient ? '; set local statement_timeout = 0' : ''}`, query_timeout: queryTimeout })
    const result = await work(scope.session)
    await scope.finish()
    callers.check()
    if (isOver(client)) throw endedInTheMiddle()
    // Behind a pooler all that stays with its connection to the server, which is not ours to end.
    if (callers.isChanged()) await send({ text: `${RESET_SETTINGS}; ${CLOSE_ALL}; unlisten *`, query_timeout: queryTimeout })
    const { command } = await send({ text: commitOf(callers.isChanged()), query_timeout: queryTimeout })
    if (command === 'ROLLBACK') throw failedBefore()
    return result
  }
  catch (error) {
    const cut = inTime(scope.cut(), ROLLBACK_TIMEOUT_MS)
    // The server rolls back by itself when its connection is gone; the client must not go back to the pool.
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

/** Whether something that never rejects ends within so many milliseconds. */
function inTime(end: Promise<void>, ms: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms, false)
    void end.then(() => {
      clearTimeout(timer)
      resolve(true)
    })
  })
}

/** Whether the transaction has ended by what is not known to end one. The native client does not tell. */
const isOver = (client: PoolClient & { getTransactionStatus?(): unknown }): boolean => client.getTransactionStatus?.() === 'I'

function endedInTheMiddle(): StoreError {
  return new StoreError('INVALID_CALL', 'a statement inside of the transaction has ended it: what came before it was kept or not, as it said, and what came after it was kept')
}

/** PostgreSQL answers the commit of a failed transaction by rolling back, without an error. */
function failedBefore(): StoreError {
  return new StoreError('DATABASE', 'nothing of the transaction was kept: one of its statements failed, and the error was caught inside')
}
