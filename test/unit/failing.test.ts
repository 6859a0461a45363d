import { describe, expect, it } from 'vitest'
import { StoreError } from '../../src/runtime/core/shared/errors'
import { failingStore } from '../../src/runtime/server/failing'

describe('the admin of a store that can\'t be made', () => {
  const reason = new StoreError('INVALID_OPTION', 'no database is configured')
  const { admin } = failingStore(reason)

  it('answers what asks how the store is', async () => {
    expect(await admin.health()).toMatchObject({
      status: 'down', checks: { options: { status: 'down', reason: 'INVALID_OPTION' } }, error: { code: 'INVALID_OPTION', message: 'no database is configured' },
    })
    expect(admin.metrics()).toMatchObject({ operations: {}, eventsWritten: 0, pool: null })
    expect(admin.on('slow', () => {})()).toBeUndefined()
  })

  it('rejects everything else with the reason, and is no promise', async () => {
    await expect(admin.migrate()).rejects.toBe(reason)
    await expect(admin.retention.run()).rejects.toBe(reason)
    await expect(admin.consumers.list()).rejects.toBe(reason)
    expect('then' in admin || (admin as { then?: unknown }).then).toBeFalsy()
  })
})

describe('a store that can\'t be made', () => {
  const reason = new StoreError('INVALID_OPTION', 'no database is configured')
  const store = failingStore(reason)

  it.each<[string, () => Promise<unknown>]>([
    ['deadLetters', () => store.deadLetters.list()],
    ['leases', () => store.leases.claim({ consumer: 'thumbnails', by: 'worker' })],
    ['dedupe', () => store.dedupe.claim('webhook', 1)],
    ['dedupe in a transaction of the caller', () => store.with({} as never).dedupe.claim('webhook', 1)],
    ['rules', () => store.rules.list()],
    ['outbox', () => store.outbox.enqueue('hello', { topics: ['mail'] })],
    ['a relay', () => store.outbox.relay({ publish: () => undefined }).start()],
    ['a consumer', () => store.consume({ name: 'mail', handler: () => undefined }).start()],
    ['a projection', () => store.project({ name: 'totals', handle: () => undefined }).start()],
    ['the states of projections', () => store.projections.get('totals', 'orders:42')],
    ['the outbox of a transaction of the caller', () => store.with({} as never).outbox.enqueue('hello', { topics: ['mail'] })],
  ])('rejects the calls of %s with the reason', async (_, call) => {
    await expect(call()).rejects.toBe(reason)
  })
})
