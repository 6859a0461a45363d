/** The parked subjects that a process knows: what is due, and what is read again. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createDueHeap } from '../../src/runtime/core/consumers/dueHeap'
import type { Timed } from '../../src/runtime/core/consumers/dueHeap'
import { createParkedSubjects } from '../../src/runtime/core/consumers/parkedSubjects'
import type { ParkedRow } from '../../src/runtime/core/consumers/parkedSubjects'

/** Numbers from 0 up to 1, the same in each run. */
function randomFrom(seed: number): () => number {
  return () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647
}

const row = (n: number, delayMs: number | undefined, fromId = BigInt(n)): ParkedRow =>
  ({ subject: `s:${n}`, shard: n % 4, fromId, attempts: 1, delayMs, replacement: undefined, isLeftBehind: false })

describe('a heap of due times', () => {
  it.each([1, 2, 3, 4, 5])('always has the one that is due first, whatever is put in, moved and removed (seed %i)', (seed) => {
    const random = randomFrom(seed)
    const heap = createDueHeap<Timed>()
    const model = new Set<Timed>()
    const known: Timed[] = Array.from({ length: 60 }, () => ({ dueAt: 0, place: -1 }))
    for (let step = 0; step < 3_000; step++) {
      const item = known[Math.floor(random() * known.length)]!
      if (random() < 0.6) {
        item.dueAt = Math.floor(random() * 50)
        heap.put(item)
        model.add(item)
      }
      else {
        heap.remove(item)
        model.delete(item)
      }
      const first = [...model].reduce((least, { dueAt }) => Math.min(least, dueAt), Infinity)
      expect(heap.first()?.dueAt ?? Infinity).toBe(first)
    }
  })
})

describe('parked subjects', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
  afterEach(() => void vi.useRealTimers())

  it('are due in the order of their times; one that is under way, left or belongs to a lost shard is not', () => {
    const parked = createParkedSubjects()
    for (const [n, delayMs] of [[1, 30], [2, 10], [3, undefined], [4, 20], [5, 5], [6, 40]] as const) parked.set(row(n, delayMs))
    expect([parked.due(), parked.nextIn()]).toEqual([undefined, 5])
    vi.advanceTimersByTime(100)
    const first = parked.due()!
    expect(first.subject).toBe('s:5')
    parked.begin(first)
    expect(parked.due()!.subject).toBe('s:2')
    // Its attempt moves it, and it stays under way.
    parked.set(row(5, 0, 50n))
    expect(parked.due()!.subject).toBe('s:2')
    parked.delete('s:2')
    parked.postpone(parked.get('s:4')!, 500)
    parked.keep(shard => shard !== 2)
    expect([parked.due()!.subject, parked.get('s:6'), parked.size]).toEqual(['s:1', undefined, 4])
    parked.end(first)
    parked.delete('s:1')
    expect(parked.due()).toBe(first)
    parked.begin(first)
    parked.delete('s:5')
    parked.end(first)
    expect([parked.due(), parked.nextIn()]).toEqual([undefined, 500])
  })

  it('one whose shard was lost and taken again during its attempt is another one then', () => {
    const parked = createParkedSubjects()
    parked.set(row(1, 0))
    const before = parked.due()!
    parked.begin(before)
    parked.keep(() => false)
    parked.set(row(1, 0))
    parked.end(before)
    const after = parked.due()!
    expect(after).not.toBe(before)
    parked.begin(after)
    expect(parked.nextIn()).toBe(Infinity)
  })

  it('are looked at in turns of a few, and each of them comes', () => {
    const parked = createParkedSubjects()
    const all = Array.from({ length: 25 }, (_, n) => row(n, undefined))
    for (const each of all) parked.set(each)
    const looked = new Set<string>()
    for (let turn = 0; turn < 3; turn++) {
      const some = parked.next(10)
      expect(some).toHaveLength(10)
      for (const subject of some) looked.add(subject)
    }
    expect(looked.size).toBe(25)
    expect(parked.next(100).toSorted()).toEqual(all.map(({ subject }) => subject).toSorted())
    parked.keep(() => false)
    expect(parked.next(10)).toEqual([])
  })

  it('are refreshed from what was found: others stay as they are, and what stands elsewhere is told', () => {
    const parked = createParkedSubjects()
    for (let n = 0; n < 8; n++) parked.set(row(n, undefined))
    const { changes } = parked
    // Requeued; looked at and as it was; looked at and elsewhere; looked at and gone.
    const wrong = parked.refresh([row(0, 0), row(1, undefined), row(2, undefined, 99n)], ['s:1', 's:2', 's:3'], changes)
    expect(wrong).toEqual(new Set([2, 3]))
    expect(parked.due()!.subject).toBe('s:0')
    expect(parked.get('s:7')).toMatchObject({ fromId: 7n, dueAt: Infinity })
    // One that is not known, unless something has changed since.
    expect(parked.refresh([row(9, 0)], [], parked.changes)).toEqual(new Set([1]))
    expect(parked.refresh([row(9, 0)], [], changes)).toEqual(new Set())
    // Nothing is concluded of what has changed since, or is under way.
    parked.begin(parked.due()!)
    expect(parked.refresh([], ['s:0', 's:1'], changes)).toEqual(new Set())
  })
})
