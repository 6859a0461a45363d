import type { Row } from '../db/types'
import type { Parked } from './parkedSql'

/** The parked subjects of the shards that this process holds. */
export interface ParkedSubjects {
  has(subject: string): boolean
  set(parked: Omit<Parked, 'error'>): void
  /** Takes what the database says for all of them: an operator may have requeued some. */
  replace(all: Omit<Parked, 'error'>[]): void
  delete(subject: string): void
  /** Those whose next attempt is due. */
  due(): Waiting[]
  /** Forgets those of shards that are not held any more. */
  keep(isHeld: (shard: number) => boolean): void
  /** Milliseconds until the next attempt; Infinity for none. */
  nextIn(): number
}

export interface Waiting {
  subject: string
  shard: number
  fromId: bigint
  attempts: number
}

export function createParkedSubjects(): ParkedSubjects {
  const subjects = new Map<string, Waiting & { dueAt: number }>()
  const set: ParkedSubjects['set'] = ({ subject, shard, fromId, attempts, delayMs }) =>
    void subjects.set(subject, { subject, shard, fromId, attempts, dueAt: delayMs === undefined ? Infinity : performance.now() + delayMs })

  return {
    has: subject => subjects.has(subject),
    set,
    replace(all) {
      subjects.clear()
      all.forEach(set)
    },
    delete: subject => void subjects.delete(subject),
    due: () => [...subjects.values()].filter(({ dueAt }) => dueAt <= performance.now()),
    keep(isHeld) {
      for (const [subject, { shard }] of subjects) if (!isHeld(shard)) subjects.delete(subject)
    },
    nextIn: () => Math.min(...[...subjects.values()].map(({ dueAt }) => dueAt)) - performance.now(),
  }
}

export const toParked = (row: Row): Omit<Parked, 'error'> => ({
  subject: row.subject as string,
  shard: Number(row.shard),
  fromId: BigInt(row.fromId as string),
  attempts: Number(row.attempts),
  delayMs: row.delayMs === null ? undefined : Number(row.delayMs),
})
