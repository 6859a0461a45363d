import type { ParkedSubjects } from './parkedSubjects'
import { moveOn } from './shard'
import type { Entry, Shard, Unit } from './shard'

interface ScheduleOptions {
  parked: ParkedSubjects
  /** Several units of one shard at the same time, of different subjects. Else one after the other, so that its checkpoint can move with each. */
  bySubject: boolean
  /** Entries of parked subjects are taken as well: their coming is noted. */
  isDebounced: boolean
}

export interface Schedule {
  /**
   * Chooses what is handled next: up to `most` entries, taken off as few shards as have them. The shards take turns, so
   * that each of them has gathered many. Entries of parked subjects are passed over: a retry reads them again.
   */
  next(shards: Iterable<Shard>, most: number): Unit
}

export function createSchedule({ parked, bySubject, isDebounced }: ScheduleOptions): Schedule {
  let served: Shard | undefined

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
    next(shards, most) {
      const unit: Unit = []
      for (const shard of inTurn(shards)) {
        if (unit.length >= most) break
        if (shard.isLeaving || (shard.running > 0 && !bySubject)) continue
        const before = unit.length
        take(shard, unit, most)
        moveOn(shard)
        if (unit.length > before) served = shard
      }
      return unit.sort((a, b) => a.id < b.id ? -1 : 1)
    },
  }
}

/** Leaves an entry to the retries of its subject. */
export function passOver(entry: Entry, waiting: { passedTo: bigint }): void {
  entry.state = 'done'
  // Those before the event that failed were handled, and are read again by another holder.
  if (entry.id > waiting.passedTo) waiting.passedTo = entry.id
}
