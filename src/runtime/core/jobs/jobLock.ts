import { createHash } from 'node:crypto'
import type { Session } from '../db/types'
import type { Names } from '../shared/identifier'

type Use = <R>(work: (session: Session) => Promise<R>) => Promise<R>

/** Runs a step in a short transaction of its own; undefined when another instance is at it. */
export type TakeTurn = <R>(step: (session: Session) => Promise<R>) => Promise<R | undefined>

/** The advisory lock that stands for a job of one store. */
export function jobLockKey({ schema, prefix }: Names, job: string): string {
  return createHash('sha256').update(`nvent-store-postgres ${job} ${JSON.stringify([schema, prefix])}`).digest().readBigInt64BE().toString()
}

/**
 * Lets one instance at a time do a job. The lock ends with the transaction: it works behind poolers that hand out
 * connections by transaction, and nobody has to clean up after an instance that is gone.
 */
export function createTurns(use: Use, names: Names, job: string): TakeTurn {
  const key = jobLockKey(names, job)
  return step => use(session => session.atomic(async (transaction) => {
    const { rows: [row] } = await transaction.query<{ mine: boolean }>({
      text: 'select pg_catalog.pg_try_advisory_xact_lock($1::bigint) as mine', values: [key],
    })
    return row!.mine ? step(transaction) : undefined
  }))
}
