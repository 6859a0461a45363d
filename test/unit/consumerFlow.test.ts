import { describe, expect, it } from 'vitest'
import { createDebounce } from '../../src/runtime/core/consumers/debounce'
import { createLimits } from '../../src/runtime/core/consumers/limits'
import { createParkedSubjects } from '../../src/runtime/core/consumers/parkedSubjects'
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
