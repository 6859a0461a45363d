import type { Row } from '../db/types'
import type { EventRecord } from '../shared/event'
import type { Parked } from './parkedSql'
import { ONE } from './shard'

/** A subject that waits for its next attempt. */
export interface Waiting extends Omit<Parked, 'error' | 'delayMs'> {
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
  /**
   * Takes over when their next attempts are due: an operator may have requeued some. Nothing is concluded about what has
   * changed `since` the rows were read. Returns the shards whose subjects stand elsewhere than this process believes.
   */
  refresh(all: ParkedRow[], since: number): Set<number>
  delete(subject: string): void
  /** The one whose next attempt has been due for longest. */
  due(): Waiting | undefined
  /** Lets the first one of those that wait in a line try at once. */
  call(line: string): void
  /** Forgets those of shards that are not held any more. */
  keep(isHeld: (shard: number) => boolean): void
  /** Milliseconds until the next attempt; Infinity for none. */
  nextIn(): number
}

export function createParkedSubjects(): ParkedSubjects {
  const subjects = new Map<string, Waiting>()
  let changes = 0

  function set({ delayMs, ...parked }: ParkedRow, passedTo = parked.fromId - ONE): void {
    changes++
    const known = subjects.get(parked.subject)
    const now = { ...parked, dueAt: delayMs === undefined ? Infinity : performance.now() + delayMs, change: changes }
    // The same object: an attempt that is under way goes on with it.
    if (known) Object.assign(known, now, { passedTo: known.passedTo > passedTo ? known.passedTo : passedTo })
    else subjects.set(parked.subject, { ...now, passedTo, isRunning: false, isLeaving: false })
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
    refresh(all, since) {
      const found = new Map(all.map(row => [row.subject, row]))
      const wrong = new Set<number>()
      if (changes === since) for (const { subject, shard } of all) if (!subjects.has(subject)) wrong.add(shard)
      for (const { subject, shard, fromId, change, isRunning } of [...subjects.values()]) {
        if (change > since || isRunning) continue
        const row = found.get(subject)
        if (row?.fromId === fromId) set(row)
        else wrong.add(shard)
      }
      return wrong
    },
    delete(subject) {
      changes++
      subjects.delete(subject)
    },
    due() {
      let first: Waiting | undefined
      for (const waiting of subjects.values()) if (!waiting.isRunning && waiting.dueAt < (first?.dueAt ?? Infinity)) first = waiting
      return first && first.dueAt <= performance.now() ? first : undefined
    },
    call(line) {
      let first: Waiting | undefined
      for (const waiting of subjects.values()) if (waiting.line === line && !waiting.isRunning && waiting.fromId < (first?.fromId ?? waiting.fromId + ONE)) first = waiting
      if (first) first.dueAt = 0
    },
    keep(isHeld) {
      for (const [subject, { shard }] of subjects) if (!isHeld(shard)) subjects.delete(subject)
    },
    nextIn() {
      let next = Infinity
      for (const { dueAt, isRunning } of subjects.values()) if (!isRunning && dueAt < next) next = dueAt
      return next - performance.now()
    },
  }
}

export const toParked = (row: Row): ParkedRow => ({
  subject: row.subject as string,
  shard: Number(row.shard),
  fromId: BigInt(row.fromId as string),
  attempts: Number(row.attempts),
  delayMs: row.delayMs === null ? undefined : Number(row.delayMs),
  replacement: row.replacement === null ? undefined : JSON.parse(row.replacement as string) as EventRecord | null,
})
