import { createKill } from './attempt'
import type { GlobalEvent } from '../log/types'

// Not a BigInt literal: bundlers with older targets warn about those.
export const ONE = BigInt(1)

/** An event that was read for a shard. */
export interface Entry {
  readonly shard: Shard
  readonly subject: string
  readonly id: bigint
  event: GlobalEvent['event']
  state: 'waiting' | 'running' | 'done'
  /** A handler may have changed its event, or an operator the log: it is read again before it is handled. */
  isStale?: boolean
}

/** A shard that this process holds, and what was read for it. All positions are ids of events. */
export interface Shard {
  readonly shard: number
  /** Names this lease: another holder has another one. */
  readonly token: string
  /** Where its row is in the table, as far as this process knows. */
  place: string
  /** The same, once the transaction under way is committed. */
  nextPlace?: string | undefined
  /** Aborts when the shard is lost: handlers of its events end. */
  readonly lost: AbortController
  /** Everything up to here is handled or parked, as the database knows it. */
  saved: bigint
  /** The same, as this process knows it. */
  position: bigint
  /** Everything up to here was read. */
  readTo: bigint
  /** What was read and is not handled yet, in the order of the log. */
  entries: Entry[]
  /** Units of work that are under way. */
  running: number
  /** Retries of its parked subjects that are under way. */
  retrying: number
  /** It is given to another process when nothing of it is under way. */
  isLeaving: boolean
  /** So much of it is handled behind a slow subject, which there is no room to park, that the rest waits. */
  isHeldUp: boolean
  /** Its position is being written: two writers would take each other for another process. */
  isSaving: boolean
}

export const createShard = (shard: number, token: string, position: bigint, place: string): Shard => ({
  shard, token, place, lost: createKill(), saved: position, position, readTo: position, entries: [], running: 0, retrying: 0, isLeaving: false, isHeldUp: false, isSaving: false,
})

/** Adds events that were read up to a position. */
export function fill(shard: Shard, events: GlobalEvent[], readTo: bigint): void {
  for (const { subject, event } of events) shard.entries.push({ shard, subject, id: BigInt(event.id), event, state: 'waiting' })
  shard.readTo = readTo
  moveOn(shard)
}

/** Moves the position behind all that is done. */
export function moveOn(shard: Shard): void {
  const { entries } = shard
  let done = 0
  while (entries[done]?.state === 'done') done++
  if (done > 0) {
    shard.position = entries[done - 1]!.id
    shard.isHeldUp = false
  }
  entries.splice(0, done)
  if (entries.length === 0 && shard.readTo > shard.position) shard.position = shard.readTo
}

/** The entries that one call or one transaction handles, in the order of the log. */
export type Unit = Entry[]

export const shardsOf = (unit: Unit): Set<Shard> => new Set(unit.map(({ shard }) => shard))

export function begin(unit: Unit): void {
  for (const entry of unit) entry.state = 'running'
  for (const shard of shardsOf(unit)) shard.running++
}

/** Whatever is not done by now waits again. */
export function end(unit: Unit): void {
  for (const entry of unit) if (entry.state === 'running') entry.state = 'waiting'
  for (const shard of shardsOf(unit)) {
    shard.running--
    moveOn(shard)
  }
}

/** The last id of each shard in a unit, in the order of the shards: two of them are locked in the same order everywhere. */
export function lastOf(unit: Unit): Map<Shard, bigint> {
  const last = new Map<Shard, bigint>()
  for (const shard of [...shardsOf(unit)].sort((a, b) => a.shard - b.shard)) last.set(shard, unit.findLast(entry => entry.shard === shard)!.id)
  return last
}
