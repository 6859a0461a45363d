import type { Session } from '../db/types'
import { storeLockKey } from '../shared/advisoryLock'
import type { Names } from '../shared/identifier'

type Use = <R>(work: (session: Session) => Promise<R>) => Promise<R>

/** Runs a step in a short transaction of its own; undefined when another instance is at it. */
export type TryExclusively = <R>(step: (session: Session) => Promise<R>) => Promise<R | undefined>

/**
 * Lets one instance at a time do a job. The lock ends with the transaction: it works behind poolers that hand out
 * connections by transaction, and nobody has to clean up after an instance that is gone.
 */
export function createJobLock(use: Use, names: Names, job: string): TryExclusively {
  const key = storeLockKey(names, job)
  return step => use(session => session.atomic(async (transaction) => {
    const { rows: [row] } = await transaction.query<{ mine: boolean }>({
      text: 'select pg_catalog.pg_try_advisory_xact_lock($1::bigint) as mine', values: [key],
    })
    return row!.mine ? step(transaction) : undefined
  }))
}
