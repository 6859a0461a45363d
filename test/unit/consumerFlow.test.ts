import { describe, expect, it } from 'vitest'
import { createDebounce } from '../../src/runtime/core/consumers/debounce'
import { createLimits } from '../../src/runtime/core/consumers/limits'
import { createParkedSubjects } from '../../src/runtime/core/consumers/parkedSubjects'
import { keyOf } from '../../src/runtime/core/consumers/flowSettings'
import { checkConsumer } from '../../src/runtime/core/consumers/settings'

const refuse = () => Promise.reject(new Error('the database was asked'))

/** What a consumer without rateLimit, concurrencyKey and debounce pays for them. */
describe('a consumer that holds nothing back', () => {
  const settings = checkConsumer({ name: 'plain', handler: () => {} })
  const parts = { context: undefined as never, use: refuse, settings, logger: console, parked: createParkedSubjects(), onFree: () => {} }
  const run = () => Promise.resolve()

  it('calls its handler without asking the database for slots', async () => {
    const limits = createLimits(parts)
    expect(limits.within(run)).toBe(run)
    expect([limits.isHolding(), limits.nextIn()]).toEqual([false, Infinity])
    await limits.keep()
  })

  it('calls its handler without asking the database for newer events', async () => {
    const debounce = createDebounce(parts)
    expect(debounce.within(run)).toBe(run)
    expect(debounce.isOn).toBe(false)
    expect(await debounce.waits('orders:1', [{ id: '1' }, { id: '2' }] as never[])).toEqual([0, 0])
    await debounce.end(undefined as never, { subject: 'orders:1', event: { id: '1' } as never })
    await debounce.keep()
  })
})

describe('a key function', () => {
  it('that is async is refused, and what it rejects with ends no process', async () => {
    const unheard: unknown[] = []
    const note = (error: unknown) => void unheard.push(error)
    process.on('unhandledRejection', note)
    try {
      const key = keyOf('options.rateLimit.key', (() => Promise.reject(new Error('no tenant'))) as never)
      expect(() => key({ id: '1', ts: 1, type: 'a', subject: 'orders:1' } as never)).toThrow('options.rateLimit.key(event) must be a string or a number, not a Promise')
      await new Promise(resolve => setImmediate(resolve))
      expect(unheard).toEqual([])
    }
    finally {
      process.off('unhandledRejection', note)
    }
  })
})
