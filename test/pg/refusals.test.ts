import { beforeAll, describe, expect, it } from 'vitest'
import type { Store } from '../../src/runtime/core/types'
import { pglite, postgres15, postgres18 } from '../setup/backends'

const ROUNDS = 100
// A column that counts, a path in a column of objects, and one that no column takes.
const FIELDS = [['nvent:flow:runs:race', 'completedSteps'], ['nvent:flow:runs:race', 'emittedEvents.n'], ['orders', 'stats.n']] as const

const range = (count: number): number[] => Array.from({ length: count }, (_, at) => at)
const refusal = (error: { code: string, details: Record<string, unknown> }) => error

describe.each([pglite, postgres18, postgres15])('what a refusal says on $name', (backend) => {
  let store: Store

  beforeAll(async () => {
    store = (await backend.open()).store
  })

  /** Apart from the queue of the key, so that it comes in between. */
  const add = (key: string, id: string, metadata: object) => store.transaction(({ index }) => index.add(key, id, 1, { ...metadata }))

  it.each(FIELDS)('is what was there when increment of %s %s races with add', async (key, field) => {
    const codes = new Set<unknown>()
    for (const at of range(ROUNDS)) {
      const id = `id${at}`
      const [result] = await Promise.all([
        store.index.increment(key, id, field).catch(({ code }: { code: string }) => code),
        add(key, id, {}),
        store.index.increment(key, id, field).catch(({ code }: { code: string }) => void codes.add(code)),
      ])
      if (typeof result === 'string') codes.add(result)
    }
    expect([...codes].filter(code => code !== 'NOT_FOUND')).toEqual([])
  })

  it('is never that an entry holds no number when it always held one', async () => {
    const errors: unknown[] = []
    await Promise.all(range(40).map(async (caller) => {
      for (const at of range(15)) {
        const id = `hot${at % 5}`
        if (caller % 4 === 0) await store.index.delete('orders', id)
        else if (caller % 4 === 1) await add('orders', id, { n: 1 })
        else await store.index.increment('orders', id, 'n').catch(({ code }: { code: string }) => code !== 'NOT_FOUND' && errors.push(code))
      }
    }))
    expect(errors).toEqual([])
  })

  it('still is INVALID_VALUE for what is no number, and NOT_FOUND for what is not there', async () => {
    for (const [key, field] of FIELDS) {
      const [first, rest] = field.split('.') as [string, string?]
      await store.index.add(key, 'text', 1, { [first]: rest ? { [rest]: 'seven' } : 'seven' })
      await expect(store.index.increment(key, 'text', field)).rejects.toMatchObject({ code: 'INVALID_VALUE' })
      await expect(store.index.increment(key, 'none', field)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    }
  })

  it('is a version that is not the expected one', async () => {
    const refusals: { expected: unknown, actual: number }[] = []
    const append = (expectedVersion: 'exists' | 'no-stream' | number) =>
      store.stream.append('orders:race', { type: 'placed' }, { expectedVersion }).then(() => undefined, refusal).then((error) => {
        if (error) expect(error.code).toBe('VERSION_CONFLICT')
        if (error) refusals.push(error.details as typeof refusals[number])
      })
    await Promise.all(range(20).map(async (caller) => {
      for (const at of range(20)) {
        if (caller < 3) await store.stream.delete('orders:race')
        else await append(caller % 3 === 0 ? 'exists' : caller % 3 === 1 ? 'no-stream' : at % 3 + 1)
      }
    }))
    for (const { expected, actual } of refusals) {
      if (expected === 'exists') expect(actual).toBe(0)
      else if (expected === 'no-stream') expect(actual).toBeGreaterThan(0)
      else expect(actual).not.toBe(expected)
    }
  })
})
