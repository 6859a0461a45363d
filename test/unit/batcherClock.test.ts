/** Tests of apps put fake clocks in the place of the real one: calls must not stand still under them. */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { Worker } from 'node:worker_threads'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { createBatcher } from '../../src/runtime/core/batch/batcher'
import { ROWS } from '../../src/runtime/core/batch/batching'
import type { Operation } from '../../src/runtime/core/batch/operation'
import type { Session, StreamTables } from '../../src/runtime/core/db/types'

const real = { nextTick: process.nextTick, performance: globalThis.performance, setTimeout: globalThis.setTimeout, setImmediate: globalThis.setImmediate, queueMicrotask: globalThis.queueMicrotask }

/** What jest puts in their place by default stands still; vitest can't replace `nextTick` in a child process. */
function fake(): void {
  const never = () => ({}) as never
  process.nextTick = never
  Object.assign(globalThis, { setTimeout: never, setImmediate: never, queueMicrotask: never })
  Object.defineProperty(globalThis, 'performance', { configurable: true, writable: true, value: { now: () => 0 } })
}

/** What runs the tests needs the real ones again. */
async function faked<T>(work: () => Promise<T>): Promise<T> {
  fake()
  try {
    return await work()
  }
  finally {
    const { nextTick, performance, ...timers } = real
    process.nextTick = nextTick
    Object.assign(globalThis, timers)
    Object.defineProperty(globalThis, 'performance', { configurable: true, writable: true, value: performance })
  }
}

const echo: Operation<number, number> = {
  one: async (_, __, input) => input,
  many: async (_, __, groups) => groups.map(({ calls }) => calls.map(({ input }) => input)),
  fold: (_, last) => last,
}

function bench() {
  const stuck: Operation<number, number> = { ...echo, one: () => new Promise(() => {}) }
  const { send, inOrder } = createBatcher(work => work({} as Session, {} as StreamTables), { enter() {}, leave() {} }, { ...ROWS, minKeys: 1 })
  return {
    stuck,
    call: (key: string, input: number, of = echo) => send(of, { kind: 'x', key, input, bytes: 1 }),
    hold: (keys: string[], input: number) => inOrder(keys, async () => input),
  }
}

async function expectAnswers({ call, hold, stuck }: ReturnType<typeof bench>): Promise<void> {
  expect(await Promise.all([call('a', 1), call('a', 2), call('b', 3), hold(['a', 'b'], 4)])).toEqual([1, 2, 3, 4])
  // Two that stall: others go around them once a real while has passed.
  void call('c', 5, stuck)
  void call('d', 6, stuck)
  expect(await call('e', 7)).toBe(7)
}

describe('fake timers', () => {
  it('that are set before the store is loaded do not hang its calls', async () => {
    // A thread of its own, and all but `nextTick`: Node loads no module while that stands still.
    const source = await readFile(new URL('../../src/runtime/core/shared/timer.ts', import.meta.url), 'utf8')
    const { outputText } = ts.transpileModule(source, { compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 } })
    const worker = new Worker(`
      const never = () => {}
      Object.assign(globalThis, { setTimeout: never, setImmediate: never, performance: { now: () => 0 } })
      import(${JSON.stringify(`data:text/javascript,${encodeURIComponent(outputText)}`)}).then(({ nextTick, setTimer, now }) =>
        nextTick(() => setTimer(() => require('node:worker_threads').parentPort.postMessage(now() > 0), 1)))
    `, { eval: true })
    expect(await once(worker, 'message')).toEqual([true])
    await worker.terminate()
  })

  it('that are set after the store is loaded do not hang its calls', async () => {
    const on = bench()
    await faked(() => expectAnswers(on))
  })

  it('that are set while calls are under way do not hang them', async () => {
    const { call } = bench()
    const before = [call('a', 1), call('b', 2)]
    expect(await faked(() => Promise.all([...before, call('a', 3)]))).toEqual([1, 2, 3])
  })
})
