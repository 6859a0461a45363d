import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import type { ConsumeOptions, Store } from '../../../src/runtime/core/index'
import { NOTE_EFFECT } from './effects'
import type { Effect } from './effects'

export const SUBJECTS = Array.from({ length: 30 }, (_, at) => `orders:${at}`)

/** A handler that notes each event in the table of effects, through its transaction. */
export const noting = (worker: string): ConsumeOptions['handler'] => async ({ subject, data }, { tx }) =>
  void await tx.query(NOTE_EFFECT, [subject, (data as { n: number }).n, worker])

/** Appends numbered events, a few subjects at a time, until it is stopped. What fails is tried again. */
export function appending(store: Store, subjects = SUBJECTS) {
  const next = new Map(subjects.map(subject => [subject, 0]))
  let running = true

  async function append(subject: string, n: number): Promise<void> {
    for (;;) {
      try {
        await store.stream.append(subject, { type: 'numbered', data: { n } }, { eventId: `${subject} ${n}` })
        return
      }
      catch {
        // The server may be away, or this connection among those that are terminated.
        await sleep(20)
      }
    }
  }

  const done = (async () => {
    while (running) {
      await Promise.all(subjects.filter(() => Math.random() < 0.3).map(async (subject) => {
        const n = next.get(subject)!
        await append(subject, n)
        next.set(subject, n + 1)
      }))
      // Enough to keep workers busy, and no more to catch up with than that.
      await sleep(30)
    }
  })()
  return {
    /** How many events each subject has. */
    next,
    async stop() {
      running = false
      await done
    },
  }
}

/** Checks that every event had its effect, in the order of its subject. Returns how many events there are, and how many effects too many. */
export function checkEffects(effects: Effect[], next: Map<string, number>): { all: number, doubled: number } {
  const found = new Map([...next.keys()].map(subject => [subject, [] as number[]]))
  for (const { subject, n } of effects) found.get(subject)!.push(n)
  let all = 0
  let doubled = 0
  for (const [subject, count] of next) {
    all += count
    const firsts = [...new Set(found.get(subject))]
    doubled += found.get(subject)!.length - firsts.length
    expect(firsts, `${subject}: every event, in order`).toEqual(Array.from({ length: count }, (_, n) => n))
  }
  return { all, doubled }
}
