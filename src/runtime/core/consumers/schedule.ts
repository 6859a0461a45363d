import type { ParkedSubjects } from './parkedSubjects'
import type { ConsumerSettings } from './settings'
import { moveOn } from './shard'
import type { Entry, Shard, Unit } from './shard'

interface ScheduleOptions {
  parked: ParkedSubjects
  settings: Pick<ConsumerSettings, 'batchHandler' | 'batchSize' | 'limits' | 'order' | 'transaction'>
  /** Entries of parked subjects are taken as well: their coming is noted. */
  isDebounced: boolean
}

export interface Schedule {
  /**
   * Chooses what one of so many handlers that have nothing to do gets: no more than its share, taken off as few shards as
   * have it. The shards take turns, so that each of them has gathered many. Entries of parked subjects are passed over: a
   * retry reads them again.
   */
  next(shards: Iterable<Shard>, handlers: number): Unit
}

export function createSchedule({ parked, settings, isDebounced }: ScheduleOptions): Schedule {
  const { batchHandler, batchSize, limits, order, transaction } = settings
  // Several units of one shard at the same time, of different subjects. Else one after the other, so that its checkpoint
  // can move with each.
  const bySubject = transaction === 'none' && order === 'subject'
  const isSingle = !isDebounced && !batchHandler && (transaction !== 'batch' || limits.length > 0)
  let served: Shard | undefined

  function mostOf(shards: Shard[], handlers: number): number {
    if (isSingle) return 1
    const waiting = shards.reduce((sum, { entries }) => sum + entries.length, 0)
    return Math.max(1, Math.min(batchSize, Math.ceil(waiting / handlers)))
  }

  function inTurn(shards: Iterable<Shard>): Shard[] {
    const all = [...shards]
    const at = served ? all.indexOf(served) + 1 : 0
    return at === 0 ? all : [...all.slice(at), ...all.slice(0, at)]
  }

  function take({ entries }: Shard, unit: Unit, most: number): void {
    const busy = new Set<string>()
    for (const entry of entries) {
      if (unit.length >= most) return
      if (entry.state === 'done') continue
      const waiting = parked.get(entry.subject)
      if (entry.state === 'running' || waiting?.isLeaving || busy.has(entry.subject)) {
        if (!bySubject) return
        busy.add(entry.subject)
      }
      else if (waiting && !isDebounced) passOver(entry, waiting)
      else unit.push(entry)
    }
  }

  return {
    next(held, handlers) {
      const unit: Unit = []
      const shards = inTurn(held)
      const most = mostOf(shards, handlers)
      for (const shard of shards) {
        if (unit.length >= most) break
        if (shard.isLeaving || shard.isHeldUp || (shard.running > 0 && !bySubject)) continue
        const before = unit.length
        take(shard, unit, most)
        moveOn(shard)
        if (unit.length > before) served = shard
      }
      return unit.sort((a, b) => a.id < b.id ? -1 : 1)
    },
  }
}

/** The first entry of each subject that is not parked. */
export function firstsOf(entries: Entry[], parked: ParkedSubjects): Entry[] {
  const firsts = new Map<string, Entry>()
  for (const entry of entries) if (!parked.get(entry.subject) && !firsts.has(entry.subject)) firsts.set(entry.subject, entry)
  return [...firsts.values()]
}

/** Leaves an entry to the retries of its subject. */
export function passOver(entry: Entry, waiting: { passedTo: bigint }): void {
  entry.state = 'done'
  // Those before the event that failed were handled, and are read again by another holder.
  if (entry.id > waiting.passedTo) waiting.passedTo = entry.id
}
