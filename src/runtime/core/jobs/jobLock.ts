import type { Session } from '../db/types'
import { storeLockKey } from '../shared/advisoryLock'
import type { Names } from '../shared/identifier'

type Use = <R>(work: (session: Session) => Promise<R>) => Promise<R>

/** Runs a step in its own short transaction under the job lock; undefined when another instance holds the lock. */
export type TryExclusively = <R>(step: (session: Session) => Promise<R>) => Promise<R | undefined>

/**
 * A lock that lets one instance at a time run a job. It is held for the transaction of one step: so it works behind
 * poolers in transaction mode, and an instance that crashes leaves no lock behind.
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
