import { describe, expect, it } from 'vitest'
import { createBatcher } from '../../src/runtime/core/batch/batcher'
import type { Batching } from '../../src/runtime/core/batch/batching'
import { PAGES } from '../../src/runtime/core/batch/batching'
import type { Group, Operation } from '../../src/runtime/core/batch/operation'
import type { Session, StreamTables } from '../../src/runtime/core/db/types'
import { StoreError } from '../../src/runtime/core/shared/errors'

interface Input {
  key: string
  value: number
}

interface Statement {
  inputs: Input[]
  finish(error?: unknown): void
}

/** Statements that end when the test says so, and a note of each. */
function bench(options: { fold?: (first: Input, second: Input) => Input | undefined, answer?: (group: Group<Input>) => number[] | undefined, batching?: Batching } = {}) {
  const sent: Statement[] = []
  const { send } = createBatcher(work => work({} as Session, {} as StreamTables), { enter() {}, leave() {} }, options.batching)
  const statement = (inputs: Input[]) => new Promise<void>((resolve, reject) => {
    sent.push({ inputs, finish: error => error === undefined ? resolve() : reject(error) })
  })
  const operation: Operation<Input, number> = {
    async one(_, __, input) {
      await statement([input])
      return input.value
    },
    async many(_, __, groups) {
      await statement(groups.flatMap(({ calls }) => calls.map(({ input }) => input)))
      return groups.map(group => options.answer ? options.answer(group) : group.calls.map(({ input }) => input.value))
    },
    fold: options.fold ?? ((_, last) => last),
  }
  let value = 0
  const call = (key: string, kind = 'set', of = operation) => {
    value++
    return send(of, { kind, key, input: { key, value }, bytes: 10 })
  }
  return { sent, call }
}

const turn = () => new Promise(resolve => setImmediate(resolve))
const valuesOf = (statement: Statement | undefined) => statement?.inputs.map(({ value }) => value)
const rolledBack = () => new StoreError('INVALID_VALUE', 'refused', { details: { sqlState: '22003' } })

describe('batching', () => {
  it('sends a lone call at once, and alone', async () => {
    const { sent, call } = bench()
    const result = call('a')
    await Promise.resolve()
    await turn()
    expect(sent.map(valuesOf)).toEqual([[1]])
    sent[0]!.finish()
    expect(await result).toBe(1)
  })

  it('makes one statement of calls that come together', async () => {
    const { sent, call } = bench()
    const results = ['a', 'b', 'c'].map(key => call(key))
    await turn()
    expect(sent.map(valuesOf)).toEqual([[1, 2, 3]])
    sent[0]!.finish()
    expect(await Promise.all(results)).toEqual([1, 2, 3])
  })

  it('makes the next statement of the calls that came while two were under way', async () => {
    const { sent, call } = bench()
    for (const key of ['a', 'b', 'c', 'd']) {
      void call(key)
      await turn()
    }
    expect(sent.map(valuesOf)).toEqual([[1], [2]])
    sent[0]!.finish()
    await turn()
    expect(sent.map(valuesOf)).toEqual([[1], [2], [3, 4]])
  })

  it('never sends two statements with one key at the same time', async () => {
    const { sent, call } = bench()
    void call('a')
    await turn()
    void call('a', 'get')
    void call('b', 'get')
    await turn()
    expect(sent.map(valuesOf)).toEqual([[1], [3]])
    sent[0]!.finish()
    await turn()
    expect(sent.map(valuesOf)).toEqual([[1], [3], [2]])
  })

  it('lets no call of another kind overtake an earlier one of its key', async () => {
    const { sent, call } = bench()
    void call('a')
    void call('a', 'get')
    void call('a')
    void call('b')
    await turn()
    // The third call stays behind the second; the fourth may go with the first.
    expect(sent.map(valuesOf)).toEqual([[1, 4]])
    sent[0]!.finish()
    await turn()
    sent[1]!.finish()
    await turn()
    expect(sent.map(valuesOf)).toEqual([[1, 4], [2], [3]])
  })

  it('keeps a call back that can not be folded into the one before', async () => {
    const { sent, call } = bench({ fold: () => undefined })
    void call('a')
    void call('a')
    void call('b')
    await turn()
    expect(sent.map(valuesOf)).toEqual([[1, 3]])
  })

  it('bypasses statements that hang: a call on another key is sent after a while', async () => {
    const { sent, call } = bench()
    for (const key of ['a', 'b', 'c']) {
      void call(key)
      await turn()
    }
    expect(sent).toHaveLength(2)
    await expect.poll(() => sent.length).toBe(3)
  })

  it('fails only the guilty call when a statement is refused', async () => {
    const { sent, call } = bench()
    const results = Promise.allSettled(['a', 'b', 'c', 'd', 'e'].map(key => call(key)))
    let seen = 0
    for (let done = false; !done; await turn()) {
      for (; seen < sent.length; seen++) {
        const guilty = sent[seen]!.inputs.some(({ key }) => key === 'd')
        sent[seen]!.finish(guilty ? rolledBack() : undefined)
      }
      done = await Promise.race([results.then(() => true), turn().then(() => false)])
    }
    expect((await results).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
  })

  it('sends nothing again after a lost connection, as it is not known what was kept', async () => {
    const { sent, call } = bench()
    const results = Promise.allSettled(['a', 'b'].map(key => call(key)))
    await turn()
    sent[0]!.finish(new StoreError('CONNECTION', 'lost', { retryable: true, details: { sqlState: '57P01' } }))
    expect((await results).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    await turn()
    expect(sent).toHaveLength(1)
  })

  it('sends the calls of a group alone when the statement has no answer for it', async () => {
    const { sent, call } = bench({ answer: group => group.folded.key === 'b' ? undefined : group.calls.map(({ input }) => input.value) })
    const results = ['a', 'b'].map(key => call(key))
    await turn()
    sent[0]!.finish()
    await turn()
    expect(sent.map(valuesOf)).toEqual([[1, 2], [2]])
    sent[1]!.finish()
    expect(await Promise.all(results)).toEqual([1, 2])
  })

  it('makes calls wait in their order when the queue is full, and answers all of them', async () => {
    const { sent, call } = bench({ fold: (_, last) => last })
    const results = Array.from({ length: 20_000 }, (_, at) => call(`k${at}`))
    await turn()
    for (let seen = 0; seen < sent.length; await turn()) {
      for (const end = sent.length; seen < end; seen++) sent[seen]!.finish()
    }
    expect(await Promise.all(results)).toEqual(Array.from({ length: 20_000 }, (_, at) => at + 1))
    expect(sent.flatMap(valuesOf)).toEqual(Array.from({ length: 20_000 }, (_, at) => at + 1))
    expect(Math.max(...sent.map(({ inputs }) => inputs.length))).toBeLessThanOrEqual(512)
  })
})

describe('batching of pages', () => {
  const keys = (count: number) => Array.from({ length: count }, (_, at) => `key ${at}`)

  it('spreads calls evenly over a few statements', async () => {
    const { sent, call } = bench({ batching: PAGES })
    for (const key of keys(20)) void call(key)
    await turn()
    expect(sent.map(({ inputs }) => inputs.length)).toEqual([4, 4, 3, 3, 3, 3])
  })

  it('lets calls of one key go out while one of them is under way, and makes one of those that come together', async () => {
    const { sent, call } = bench({ batching: PAGES })
    void call('a')
    await turn()
    void call('a')
    void call('a')
    await turn()
    expect(sent.map(valuesOf)).toEqual([[1], [2, 3]])
  })

  it('sends pages that proved too large for a shared statement at the same time', async () => {
    const { sent, call } = bench({ batching: { ...PAGES, parallel: 1 }, answer: () => undefined })
    const results = keys(3).map(key => call(key))
    await turn()
    sent[0]!.finish()
    await turn()
    expect(sent.map(valuesOf)).toEqual([[1, 2, 3], [1], [2], [3]])
    sent.slice(1).forEach(({ finish }) => finish())
    expect(await Promise.all(results)).toEqual([1, 2, 3])
  })
})
