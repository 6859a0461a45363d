import type { Use } from '../batch/operation'
import type { StatementContext } from '../sql/template'
import { requireHeld } from './lease'
import { parkSubject, waitingRow } from './parkedSql'
import type { ParkedSubjects } from './parkedSubjects'
import { firstsOf, passOver } from './schedule'
import { moveOn } from './shard'
import type { Entry, Shard } from './shard'

interface LeaveBehindOptions {
  context: StatementContext
  use: Use
  consumer: string
  parked: ParkedSubjects
}

/**
 * Without a transaction, subjects overtake each other: events that are handled lie behind others that are not. Before a
 * shard is given away, the subjects of those are parked, so that its position moves behind all that is handled and the
 * next process does not handle it again.
 */
export function createLeaveBehind({ context, use, consumer, parked }: LeaveBehindOptions) {
  return async function leaveBehind(shard: Shard): Promise<void> {
    const overtaken = overtakenIn(shard)
    if (overtaken.length === 0) return
    const rows = firstsOf(overtaken, parked).map(({ subject, id }) => waitingRow({ subject, shard: shard.shard, fromId: id, delayMs: 0 }))
    await use(session => session.atomic(async (inside) => {
      await requireHeld(context, inside, consumer, [shard])
      for (const row of rows) await inside.query(parkSubject(context, consumer, row))
    }))
    // Not due here any more: the next process goes on with them.
    for (const row of rows) parked.set({ ...row, delayMs: undefined })
    for (const entry of overtaken) passOver(entry, parked.get(entry.subject)!)
    moveOn(shard)
  }
}

/** What is not handled and lies before something that is. */
function overtakenIn({ entries }: Shard): Entry[] {
  const last = entries.findLastIndex(({ state }) => state === 'done')
  return entries.slice(0, last + 1).filter(({ state }) => state === 'waiting')
}
