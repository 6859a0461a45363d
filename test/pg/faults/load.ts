import { expect } from 'vitest'
import type { Store, StoreErrorCode } from '../../../src/runtime/core/index'
import { isStoreError } from '../../../src/runtime/core/index'

const SUBJECTS = 8
const WRITERS = 16

type Outcome = 'acknowledged' | 'unknown'

/** Writers that go on whatever happens, and remember what they were told of each write. */
export interface Load {
  acknowledged(): number
  /** Codes of the calls that were rejected, each once. */
  codes(): StoreErrorCode[]
  /** Resolves when so many more writes were acknowledged. */
  progress(count?: number): Promise<void>
  /** Ends the writers and waits for their last calls. */
  stop(): Promise<void>
  /**
   * Looks at each write: an acknowledged one is there exactly once, one that was rejected at most once, and the writes
   * of a writer are in order. Every counter lies between what was acknowledged and what was tried.
   */
  check(store: Store): Promise<void>
}

interface Written {
  number: number
  writer: number
}

/** Appends, transactions, counters and updates, as fast as they are answered. */
export function startLoad(store: Store, name = 'load'): Load {
  const appended = new Map<number, Outcome>()
  const counted: Record<Outcome, number> = { acknowledged: 0, unknown: 0 }
  const codes = new Set<StoreErrorCode>()
  let next = 0
  let running = true

  async function attempt(run: () => Promise<unknown>): Promise<Outcome> {
    try {
      await run()
      return 'acknowledged'
    }
    catch (error) {
      if (!isStoreError(error)) throw error
      codes.add(error.code)
      return 'unknown'
    }
  }

  async function write(writer: number): Promise<void> {
    while (running) {
      const number = next++
      const subject = subjectOf(name, number)
      const event = { type: 'written', data: { number, writer } satisfies Written }
      appended.set(number, await attempt(() => number % 5 === 0
        ? store.transaction(async (tx) => {
            await tx.stream.append(subject, event)
            await tx.kv.set(`${name}:${number}`, number)
          })
        : store.stream.append(subject, event)))
      counted[await attempt(() => store.kv.increment(`${name}:count`))]++
      // A database that is away answers at once, and so would this ask at once.
      if (appended.get(number) === 'unknown') await new Promise(resolve => setTimeout(resolve, 20))
    }
  }

  const writers = Array.from({ length: WRITERS }, (_, writer) => write(writer))
  const acknowledged = () => [...appended.values()].filter(outcome => outcome === 'acknowledged').length

  return {
    acknowledged,
    codes: () => [...codes].sort(),
    async progress(count = 50) {
      const goal = acknowledged() + count
      await expect.poll(acknowledged, { interval: 10 }).toBeGreaterThanOrEqual(goal)
    },
    async stop() {
      running = false
      await Promise.all(writers)
    },
    async check(reader) {
      const seen = new Map<number, number>()
      for (let subject = 0; subject < SUBJECTS; subject++) {
        const last = new Map<number, number>()
        for (const event of await reader.stream.read(subjectOf(name, subject))) {
          const { number, writer } = event.data as Written
          seen.set(number, (seen.get(number) ?? 0) + 1)
          expect(number, `order of writer ${writer}`).toBeGreaterThan(last.get(writer) ?? -1)
          last.set(writer, number)
        }
      }
      const lost = [...appended].filter(([number, outcome]) => outcome === 'acknowledged' && !seen.has(number))
      const doubled = [...seen].filter(([, times]) => times > 1)
      const invented = [...seen.keys()].filter(number => !appended.has(number))
      expect({ lost, doubled, invented }).toEqual({ lost: [], doubled: [], invented: [] })
      for (const [number] of appended) {
        if (number % 5 === 0) expect(await reader.kv.get(`${name}:${number}`), `both halves of ${number}`).toBe(seen.has(number) ? number : null)
      }
      const count = await reader.kv.get<number>(`${name}:count`) ?? 0
      expect(count).toBeGreaterThanOrEqual(counted.acknowledged)
      expect(count).toBeLessThanOrEqual(counted.acknowledged + counted.unknown)
      expect(acknowledged()).toBeGreaterThan(0)
    },
  }
}

const subjectOf = (name: string, number: number) => `${name}:${number % SUBJECTS}`
