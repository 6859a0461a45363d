/**
 * All schedules of a few calls: every order in which calls are made and statements end, with every way in which a
 * statement can end. Whatever happens, each call settles once, none is lost or carried out twice, and calls on one key
 * are carried out in the order they were made.
 */
import { describe, expect, it } from 'vitest'
import { createBatcher } from '../../src/runtime/core/batch/batcher'
import type { Batching, Room } from '../../src/runtime/core/batch/batching'
import { PAGES, ROWS } from '../../src/runtime/core/batch/batching'
import type { Group, Operation, Queue } from '../../src/runtime/core/batch/operation'
import type { Session, StreamTables } from '../../src/runtime/core/db/types'
import { StoreError } from '../../src/runtime/core/shared/errors'

interface Input {
  key: string
  call: number
}

interface Statement {
  /** In the order in which they are carried out. */
  inputs: Input[]
  end(outcome: Outcome): void
}

type Outcome = 'done' | 'refused' | 'lost' | 'no connection' | 'no connection, others are younger' | 'a bug' | 'too few answers' | 'call by call'
/** Keys of a call; a glob is one on all keys that begin like it. */
type Step = { share: string, kind?: string } | { hold: string[] } | { glob: string }

const NEVER = 2 ** 31 - 1
const TINY: Batching = { ...ROWS, parallel: 2, minKeys: 1, maxCalls: 3, maxKeys: 2, stallMs: NEVER }

const errors: Partial<Record<Outcome, () => Error>> = {
  'refused': () => new StoreError('INVALID_VALUE', 'refused', { details: { sqlState: '22003' } }),
  'lost': () => new StoreError('CONNECTION', 'lost', { retryable: true }),
  'no connection': () => new StoreError('TIMEOUT', 'waited', { details: { waitedMs: -NEVER } }),
  'no connection, others are younger': () => new StoreError('TIMEOUT', 'waited', { details: { waitedMs: NEVER } }),
  'a bug': () => new TypeError('not a StoreError'),
}

const turn = () => new Promise(resolve => setImmediate(resolve))
const session = {} as Session
const tables = {} as StreamTables

/** One store's queue on a database whose statements end when they are told to. */
function bench(batching: Batching, { room, throwsAt = -1 }: { room?: () => Room | undefined, throwsAt?: number } = {}) {
  const open: Statement[] = []
  const done: Input[] = []
  const sent: Input[][] = []
  const settled: { call: number, value?: unknown, failed: boolean }[] = []
  let underWay = 0
  let calls = 0
  const gate = {
    enter() {
      underWay++
    },
    leave(count: number) {
      underWay -= count
    },
  }
  const queue: Queue = createBatcher((work) => {
    if (sent.length === throwsAt) {
      sent.push([])
      throw new Error('thrown, not rejected')
    }
    return work(session, tables)
  }, gate, batching, room)

  const statement = (inputs: Input[], isShared = false) => new Promise<Outcome>((resolve, reject) => {
    for (const { key } of inputs) {
      if (batching.ordered && open.some(other => other.inputs.some(input => input.key === key))) throw new Error(`two statements on ${key}`)
    }
    sent.push(inputs)
    const own: Statement = {
      inputs,
      end(outcome) {
        open.splice(open.indexOf(own), 1)
        if (errors[outcome]) return reject(errors[outcome]!())
        if (outcome !== 'call by call' || !isShared) done.push(...inputs)
        resolve(outcome)
      },
    }
    open.push(own)
  })
  const operation: Operation<Input, number> = {
    async one(_, __, input) {
      await statement([input])
      return input.call
    },
    async many(_, __, groups: Group<Input>[]) {
      const outcome = await statement(groups.flatMap(({ calls }) => calls.map(({ input }) => input)), true)
      if (outcome === 'too few answers') return groups.slice(1).map(({ calls }) => calls.map(({ input }) => input.call))
      if (outcome === 'call by call') return groups.map(() => undefined)
      return groups.map(({ calls }) => calls.map(({ input }) => input.call))
    },
    fold(_, second) {
      if (second.call % 4 === 3) throw new Error('can not be folded')
      return second
    },
  }

  function make(step: Step): void {
    const call = calls++
    const held = 'hold' in step ? new Set(step.hold) : ['a', 'b', 'c'].filter(each => 'glob' in step && each.startsWith(step.glob))
    const result = 'share' in step
      ? queue.send(operation, { kind: step.kind ?? 'set', key: step.share, input: { key: step.share, call }, bytes: 1 })
      : queue.inOrder('glob' in step ? { prefix: step.glob, holds: each => each.startsWith(step.glob) } : step.hold, async () => {
          await statement([...held].map(each => ({ key: each, call })))
          return call
        })
    result.then(value => settled.push({ call, value, failed: false }), () => settled.push({ call, failed: true }))
  }

  /** In plain comparisons, as it runs some ten thousand times. */
  function problem(): string | undefined {
    if (settled.length !== calls || new Set(settled.map(({ call }) => call)).size !== calls) return `settled ${settled.map(({ call }) => call)} of ${calls}`
    if (underWay !== 0) return `${underWay} calls are counted as under way`
    if (open.length > 0) return 'a statement has not ended'
    const wrong = settled.find(({ call, value, failed }) => !failed && (value !== call || !done.some(input => input.call === call)))
    if (wrong) return `call ${wrong.call} got the answer ${String(wrong.value)}`
    for (const key of batching.ordered ? ['a', 'b', 'c'] : []) {
      const carriedOut = done.filter(input => input.key === key).map(({ call }) => call)
      if (carriedOut.some((call, at) => at > 0 && call <= carriedOut[at - 1]!)) return `on ${key} were carried out ${carriedOut}`
    }
  }

  return { open, make, problem, underWay: () => underWay }
}

/** Runs with all sequences of choices, one after the other. */
async function explore(run: (choose: (among: number) => number) => Promise<void>): Promise<number> {
  let path: [choice: number, among: number][] = []
  for (let runs = 1; ; runs++) {
    let at = 0
    await run((among) => {
      path[at] ??= [0, among]
      return path[at++]![0]
    })
    while (path.length > 0 && path.at(-1)![0] === path.at(-1)![1] - 1) path.pop()
    if (path.length === 0) return runs
    path = [...path.slice(0, -1), [path.at(-1)![0] + 1, path.at(-1)![1]]]
  }
}

/** Makes the calls and ends the statements in an order that is chosen. */
async function play(on: ReturnType<typeof bench>, steps: Step[], outcomes: Outcome[], choose: (among: number) => number): Promise<void> {
  const left = [...steps]
  while (left.length > 0 || on.open.length > 0) {
    const choice = choose((left.length > 0 ? 2 : 0) + on.open.length * outcomes.length)
    const ending = choice - (left.length > 0 ? 2 : 0)
    if (ending < 0) on.make(left.shift()!)
    else on.open[Math.floor(ending / outcomes.length)]!.end(outcomes[ending % outcomes.length]!)
    // The first choice: another call in the same turn.
    if (choice > 0 || left.length === 0) await turn()
  }
  await turn()
}

const a: Step = { share: 'a' }
const b: Step = { share: 'b' }
const c: Step = { share: 'c' }

describe('every schedule', { timeout: 60_000 }, () => {
  it.each<[string, Step[], Outcome[], Partial<Batching>?]>([
    ['five calls on three keys', [a, b, c, a, b], ['done']],
    ['four calls on three keys', [a, b, c, a], ['done', 'no connection']],
    ['three keys, and most ways to end', [a, b, c], ['done', 'refused', 'lost', 'no connection', 'a bug', 'call by call']],
    ['one key, and every way to end', [a, a, a], ['done', 'refused', 'lost', 'no connection', 'no connection, others are younger', 'a bug', 'too few answers', 'call by call']],
    ['kinds that can not go together', [a, { share: 'a', kind: 'get' }, a, b], ['done', 'refused', 'no connection']],
    ['calls that hold several keys', [a, { hold: ['a', 'b'] }, b, { hold: ['b', 'c'] }, c], ['done', 'no connection']],
    ['calls that hold several keys in different orders', [{ hold: ['a', 'b'] }, { hold: ['b', 'a'] }, { hold: ['b', 'c', 'a'] }, a], ['done', 'lost', 'no connection']],
    ['calls on all keys', [a, { glob: '' }, b, { glob: 'b' }, b], ['done', 'no connection']],
    ['calls on overlapping globs', [{ glob: 'a' }, a, { glob: '' }, b], ['done', 'no connection']],
    ['one statement at a time', [a, b, a, { hold: ['a', 'c'] }], ['done', 'refused', 'no connection'], { parallel: 1 }],
    ['statements that stall at once', [a, b, a, { hold: ['b'] }], ['done', 'no connection'], { stallMs: 0, maxCalls: 1 }],
    ['pages', [a, b, a], ['done', 'refused', 'no connection', 'call by call'], { ...PAGES, parallel: 2, maxCalls: 3, stallMs: NEVER }],
  ])('of %s settles each call once, in the order of its key', async (_, steps, outcomes, batching) => {
    const runs = await explore(async (choose) => {
      const on = bench({ ...TINY, ...batching })
      await play(on, steps, outcomes, choose)
      expectNone(on.problem())
    })
    expect(runs).toBeGreaterThan(50)
  })

  it.each([0, 1, 2])('settles each call when what sends statement %i throws', async (throwsAt) => {
    await explore(async (choose) => {
      const on = bench(TINY, { throwsAt })
      await play(on, [a, b, { hold: ['a', 'b'] }, a, c], ['done'], choose)
      expectNone(on.problem())
    })
  })
})

describe('random schedules', () => {
  it('of many calls settle each of them once, in the order of its key', async () => {
    for (let seed = 1; seed <= 300; seed++) {
      const random = randomOf(seed)
      const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!
      const key = () => pick(['a', 'b', 'c'])
      const steps = Array.from({ length: 30 }, (): Step => {
        const which = random()
        if (which < 0.75) return { share: key(), kind: pick(['set', 'set', 'get']) }
        return which < 0.92 ? { hold: [key(), key()] } : { glob: pick(['', 'a', 'b']) }
      })
      let free = 3
      const on = bench({ ...TINY, parallel: 1 + seed % 2, maxKeys: 1 + seed % 3, stallMs: seed % 3 === 0 ? 0 : 1 }, { room: () => ({ most: 3, free, waitMs: 0 }) })
      const left = [...steps]
      while (left.length > 0 || on.underWay() > 0) {
        free = Math.floor(random() * 4)
        if (left.length > 0 && random() < 0.6) on.make(left.shift()!)
        else if (on.open.length > 0) pick(on.open).end(pick(['done', 'done', 'done', ...Object.keys(errors), 'too few answers', 'call by call'] as Outcome[]))
        if (random() < 0.5) await turn()
      }
      await turn()
      expectNone(on.problem())
    }
  })
})

function expectNone(problem: string | undefined): void {
  if (problem !== undefined) expect.fail(problem)
}

/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6D2B79F5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
