import type { Row } from '../db/types'
import type { EventRecord } from '../shared/event'
import { createDueHeap } from './dueHeap'
import type { Timed } from './dueHeap'
import type { Parked } from './parkedSql'
import { ONE } from './shard'

/** A subject that waits for its next attempt. */
export interface Waiting extends Omit<Parked, 'error' | 'delayMs'>, Timed {
  /** By the clock of this process; Infinity for an operator. */
  dueAt: number
  /** Events of it up to here were passed over when they were read: the retry handles them. */
  passedTo: bigint
  /** An attempt is under way. */
  isRunning: boolean
  /** It is about to go on with its shard: none of its events may be passed over any more. */
  isLeaving: boolean
  /** The line that it waits in for a limit, and not for its next attempt. */
  line?: string | undefined
  /** The change that it is as it is from. */
  change: number
}

export type ParkedRow = Omit<Parked, 'error'>

/** The parked subjects of the shards that this process holds. */
export interface ParkedSubjects {
  readonly size: number
  get(subject: string): Waiting | undefined
  /** `passedTo`: events of it up to here were passed over. Default: those before the one it stands at, which are handled. */
  set(parked: ParkedRow, passedTo?: bigint): void
  /** Counts changes, so that what was read before one of them is not taken for the truth. */
  readonly changes: number
  /** The subjects to look at next, in turn: no more than a few, however many there are. */
  next(most: number): string[]
  /**
   * Takes over when their next attempts are due: an operator may have requeued some. `found` are the rows of those that
   * were requeued, and of those that were looked at. Nothing is concluded about what has changed `since` they were read.
   * Returns the shards whose subjects stand elsewhere than this process believes.
   */
  refresh(found: ParkedRow[], lookedAt: string[], since: number): Set<number>
  delete(subject: string): void
  /** The one whose next attempt has been due for longest. */
  due(): Waiting | undefined
  /** Lets the first one of those that wait in a line try at once. */
  call(line: string): void
  /** An attempt begins: it is not due until the attempt ends. */
  begin(waiting: Waiting): void
  end(waiting: Waiting): void
  /** There is nothing to attempt at the moment. */
  postpone(waiting: Waiting, ms: number): void
  /** Forgets those of shards that are not held any more. */
  keep(isHeld: (shard: number) => boolean): void
  /** Milliseconds until the next attempt; Infinity for none. */
  nextIn(): number
}

/** Whatever is done in a turn of the loop takes as long among many subjects as among few. */
export function createParkedSubjects(): ParkedSubjects {
  const subjects = new Map<string, Waiting>()
  const byShard = new Map<number, Set<string>>()
  // Those with an attempt to come that is not under way.
  const heap = createDueHeap<Waiting>()
  let turn = subjects.keys()
  let changes = 0

  function schedule(waiting: Waiting): void {
    if (waiting.isRunning || waiting.dueAt === Infinity) heap.remove(waiting)
    else heap.put(waiting)
  }

  function set({ delayMs, ...parked }: ParkedRow, passedTo = parked.fromId - ONE): void {
    changes++
    const { subject, shard } = parked
    const now = { ...parked, dueAt: delayMs === undefined ? Infinity : performance.now() + delayMs, change: changes }
    const known = subjects.get(subject)
    // The same object: an attempt that is under way goes on with it.
    if (known) Object.assign(known, now, { passedTo: known.passedTo > passedTo ? known.passedTo : passedTo })
    else {
      subjects.set(subject, { ...now, passedTo, isRunning: false, isLeaving: false, place: -1 })
      byShard.set(shard, (byShard.get(shard) ?? new Set()).add(subject))
    }
    schedule(subjects.get(subject)!)
  }

  function forget(subject: string): void {
    const waiting = subjects.get(subject)
    if (!waiting) return
    subjects.delete(subject)
    byShard.get(waiting.shard)!.delete(subject)
    heap.remove(waiting)
  }

  return {
    get size() {
      return subjects.size
    },
    get changes() {
      return changes
    },
    get: subject => subjects.get(subject),
    set,
    next(most) {
      const chosen: string[] = []
      while (chosen.length < Math.min(most, subjects.size)) {
        const { value } = turn.next()
        if (value === undefined) turn = subjects.keys()
        else chosen.push(value)
      }
      return chosen
    },
    refresh(rows, lookedAt, since) {
      const found = new Map(rows.map(row => [row.subject, row]))
      const wrong = new Set<number>()
      if (changes === since) for (const { subject, shard } of rows) if (!subjects.has(subject)) wrong.add(shard)
      for (const subject of new Set([...found.keys(), ...lookedAt])) {
        const waiting = subjects.get(subject)
        if (!waiting || waiting.change > since || waiting.isRunning) continue
        const row = found.get(subject)
        if (row?.fromId === waiting.fromId) set(row)
        else wrong.add(waiting.shard)
      }
      return wrong
    },
    delete(subject) {
      changes++
      forget(subject)
    },
    due() {
      const first = heap.first()
      return first && first.dueAt <= performance.now() ? first : undefined
    },
    call(line) {
      let first: Waiting | undefined
      for (const waiting of subjects.values()) if (waiting.line === line && !waiting.isRunning && waiting.fromId < (first?.fromId ?? waiting.fromId + ONE)) first = waiting
      if (!first) return
      first.dueAt = 0
      schedule(first)
    },
    begin(waiting) {
      waiting.isRunning = true
      schedule(waiting)
    },
    end(waiting) {
      waiting.isRunning = false
      // It may have left, or be known by another object since its shard was taken again.
      if (subjects.get(waiting.subject) === waiting) schedule(waiting)
    },
    postpone(waiting, ms) {
      waiting.dueAt = performance.now() + ms
      schedule(waiting)
    },
    keep(isHeld) {
      for (const [shard, own] of byShard) {
        if (isHeld(shard)) continue
        for (const subject of own) forget(subject)
        byShard.delete(shard)
      }
    },
    nextIn: () => (heap.first()?.dueAt ?? Infinity) - performance.now(),
  }
}

export const toParked = (row: Row): ParkedRow => ({
  subject: row.subject as string,
  shard: Number(row.shard),
  fromId: BigInt(row.fromId as string),
  attempts: Number(row.attempts),
  delayMs: row.delayMs === null ? undefined : Number(row.delayMs),
  replacement: row.replacement === null ? undefined : JSON.parse(row.replacement as string) as EventRecord | null,
  isLeftBehind: row.isLeftBehind as boolean,
})
