import { describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { createStore, defineProjection } from '../../src/runtime/core/index'
import type { ConsumedEvent, Project } from '../../src/runtime/core/index'

const DEPOSITED = { deposited: z.object({ amount: z.number().transform(amount => amount * 100) }) }
const options = (definition: object) => ({ name: 'balances', ...definition }) as Parameters<Project>[0]

async function bank() {
  const store = createStore({ connection: 'pglite://memory' })
  for (const amount of [5, 7]) await store.stream.append('accounts:1', { type: 'deposited', data: { amount } })
  await store.stream.append('accounts:1', { type: 'renamed', data: { amount: 'none' } })
  return store
}

describe('defineProjection', () => {
  it('types the state and the events, and reads those only that have a schema', async () => {
    const store = await bank()
    const seen: unknown[] = []
    await store.project(options(defineProjection({
      schema: DEPOSITED,
      init: { cents: 0 },
      handle(state, event) {
        expectTypeOf(state).toEqualTypeOf<{ cents: number }>()
        expectTypeOf(event.data.amount).toBeNumber()
        expectTypeOf(event.subject).toBeString()
        seen.push(event.type)
        return { cents: state.cents + event.data.amount }
      },
    }))).runOnce()
    expect(seen).toEqual(['deposited', 'deposited'])
    expect(await store.projections.get('balances', 'accounts:1')).toEqual({ cents: 1200 })
    await store.close()
  })

  it('types and checks the events of handleBatch and of sideEffects', async () => {
    const store = await bank()
    const projection = store.project(options(defineProjection({
      schema: DEPOSITED,
      init: 0,
      handleBatch(states, events) {
        for (const { key, event } of events) states.set(key, states.get(key)! + event.data.amount)
      },
      sideEffects: ({ data }) => void effects.push(data.amount),
    })))
    const effects: number[] = []
    await projection.runOnce()
    await store.stream.append('accounts:1', { type: 'deposited', data: { amount: 1 } })
    await projection.runOnce()
    expect(await store.projections.get('balances', 'accounts:1')).toBe(1300)
    expect(effects).toEqual([100])
    await store.close()
  })

  it('lets an event fail that its schema refuses', async () => {
    const store = await bank()
    await store.stream.append('accounts:2', { type: 'deposited', data: { amount: 'much' } })
    await store.project(options(defineProjection({
      schema: DEPOSITED, init: { cents: 0 }, maxAttempts: 1, handle: (state, event) => ({ cents: state.cents + event.data.amount }),
    }))).runOnce()
    const { letters } = await store.deadLetters.list({ consumer: 'projection:balances:1' })
    expect(letters.map(({ subject, error }) => [subject, error.message])).toEqual([['accounts:2', expect.stringContaining('data.amount')]])
    await store.close()
  })

  it('without a schema gives events as they are', () => {
    const definition = defineProjection({ init: 0, handle(count: number, event) {
      expectTypeOf(event).toExtend<ConsumedEvent>()
      return count + 1
    } })
    expect(definition).toMatchObject({ init: 0 })
  })
})
