import type { Use } from '../batch/operation'
import type { StatementContext } from '../sql/template'
import { readConsumers } from './adminSql'

/** What an operator has to know of a consumer. */
export interface ConsumerCondition {
  name: string
  /** Milliseconds; 0: nothing waits. */
  lagMs: number
  /** Milliseconds since all of its events were looked after; 0 while they are. */
  unattendedMs: number
  /** Subjects that wait for an operator. */
  blocked: number
  deadLetters: number
  /** It has given up in this process: with a code, or for another reason. */
  gaveUp: boolean
  /** An event is tried for ever, and has failed more often than it may. */
  isStuck: boolean
}

/** What this process knows of a consumer that it has. */
export interface OwnCondition {
  gaveUp: boolean
  /** Whether an event that has failed so many times is tried for ever. */
  isStuckAfter(attempts: number): boolean
}

/**
 * The condition of every consumer of the database. One whose shards are all held is attended to, however long the leases are.
 * Without the high-water mark, which a standby does not know.
 */
export async function readConditions(context: StatementContext, use: Use, ownOf: (name: string) => OwnCondition | undefined): Promise<ConsumerCondition[]> {
  const { rows } = await use(session => session.query(readConsumers(context, null)))
  return rows.map((row) => {
    const name = row.name as string
    const own = ownOf(name)
    const isAttended = row.is_pull === true ? Number(row.leased) > 0 : Number(row.held) === Number(row.shards)
    return {
      name, lagMs: Math.floor(Number(row.lag_ms)), unattendedMs: isAttended ? 0 : Math.floor(Number(row.stale_ms)), blocked: Number(row.blocked), deadLetters: Number(row.dead_letters),
      gaveUp: own?.gaveUp ?? false, isStuck: own?.isStuckAfter(Number(row.most_attempts)) ?? false,
    }
  })
}
