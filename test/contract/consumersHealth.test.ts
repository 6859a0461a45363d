/** What the health check says of consumers, on every database. */
import { describe, expect, it } from 'vitest'
import type { ConsumeOptions, HealthOptions, Store } from '../../src/runtime/core/index'
import { embeddedAndServer } from '../setup/backends'
import { append, gate, started } from '../setup/consumers'
import { eventually } from '../setup/eventually'

const consumersOf = async (store: Store, options?: HealthOptions) => (await store.admin.health(options)).checks.consumers
const poison: Pick<ConsumeOptions, 'handler'> = {
  handler: () => {
    throw new Error('poison')
  },
}
const quick = { backoff: { first: 1, max: 1 } }

describe.each(embeddedAndServer)('the health of consumers on $name', ({ open, available }) => {
  it.runIf(available())('is not looked at without consumers, and ok while they work', async () => {
    const { store } = await open()
    expect(await consumersOf(store)).toBeUndefined()
    const consumer = await started(store, { name: 'mails', handler: () => {} })
    await append(store, 'orders:1', 1)
    await consumer.whenCaughtUp()
    expect(await consumersOf(store)).toEqual({ status: 'ok', all: 1, blocked: 0, deadLetters: 0, lagMs: 0 })
    expect(await store.admin.health()).toMatchObject({ status: 'ok' })
  })

  it.runIf(available())('is degraded when events wait and no process looks after them', async () => {
    const { store, sql } = await open()
    const consumer = await started(store, { name: 'mails', handler: () => {} })
    await consumer.stop()
    await sql('update nvent_consumer_shards set updated_at = updated_at - interval \'1 hour\' where shard < 3')
    expect(await consumersOf(store), 'nothing waits').toMatchObject({ status: 'ok' })
    await append(store, 'orders:1', 1)
    await sql('update nvent_events set ts = ts - 1000')
    const reason = expect.stringMatching(/^events of consumer "mails" wait, and no process has looked after all of them for 360\d s: start it, or forget it with admin\.consumers\.remove\(\)$/) as string
    expect(await consumersOf(store)).toMatchObject({ status: 'degraded', reason })
    expect(await store.admin.health()).toMatchObject({ status: 'degraded' })
    expect(await consumersOf(store, { consumerStaleMs: 86_400_000 })).toMatchObject({ status: 'ok' })
    await consumer.start()
    await eventually(async () => expect(await consumersOf(store)).toMatchObject({ status: 'ok', lagMs: 0 }))
  })

  it.runIf(available())('does not take a lease that is longer than the limit for a process that is gone', async () => {
    const { store, sql } = await open()
    const { opened, open: go } = gate()
    await started(store, { name: 'mails', leaseMs: 600_000, transaction: 'none', handler: () => opened })
    await append(store, 'orders:1', 1)
    await sql('update nvent_events set ts = ts - 1000')
    await eventually(async () => expect(await store.admin.consumers.get('mails')).toMatchObject({ shards: { held: 32 } }))
    await sql('update nvent_consumer_shards set updated_at = updated_at - interval \'1 hour\'')
    expect(await consumersOf(store)).toMatchObject({ status: 'ok' })
    go()
  })

  it.runIf(available())('is degraded when workers that claim events are gone', async () => {
    const { store, sql } = await open()
    await store.leases.open({ consumer: 'thumbnails' })
    await append(store, 'orders:1', 1)
    await sql('update nvent_events set ts = ts - 1000')
    await sql('update nvent_consumers set created_at = created_at - interval \'1 hour\'')
    expect(await consumersOf(store)).toMatchObject({ status: 'degraded', reason: expect.stringContaining('consumer "thumbnails"') as string })
    expect(await store.leases.claim({ consumer: 'thumbnails', by: 'worker' })).toHaveLength(1)
    expect(await consumersOf(store)).toMatchObject({ status: 'ok' })
  })

  it.runIf(available())('is degraded while subjects wait behind dead letters, and counts those', async () => {
    const { store } = await open()
    await append(store, 'orders:1', 1)
    await append(store, 'orders:2', 1)
    await started(store, { name: 'mails', maxAttempts: 1, ...poison })
    await started(store, { name: 'skips', maxAttempts: 1, onExhausted: 'skip', ...poison })
    await eventually(async () => expect(await consumersOf(store)).toMatchObject({
      status: 'degraded', all: 2, blocked: 2, deadLetters: 4, reason: '2 subjects of consumer "mails" wait for an operator: requeue or delete their dead letters, once the cause is mended',
    }))
  })

  it.runIf(available()).each(['subject', 'global'] as const)('is degraded when a consumer has given up, in order %s', async (order) => {
    const { store } = await open()
    await append(store, 'orders:1', 1)
    const consumer = await started(store, { name: 'mails', order, maxAttempts: 2, onExhausted: 'stop', ...quick, ...poison })
    await eventually(async () => expect(await consumer.status()).toMatchObject({ state: 'failed' }))
    expect(await consumersOf(store)).toMatchObject({ status: 'degraded', reason: expect.stringContaining('consumer "mails" has stopped at an event that failed for the last time') as string })
  })

  it.runIf(available()).each(['subject', 'global'] as const)('is degraded while an event is tried for ever, in order %s', async (order) => {
    const { store } = await open()
    await append(store, 'orders:1', 1)
    let isBroken = true
    await started(store, {
      name: 'mails', order, maxAttempts: 3, onExhausted: 'block', ...quick, handler: () => {
        if (isBroken) throw new Error('poison')
      },
    })
    await eventually(async () => expect(await consumersOf(store)).toMatchObject({ status: 'degraded', reason: expect.stringContaining('consumer "mails" tries an event again that has failed') as string }))
    isBroken = false
    await eventually(async () => expect(await consumersOf(store)).toMatchObject({ status: 'ok' }))
  })

  it.runIf(available())('is degraded when a consumer is further behind than it may be', async () => {
    const { store, sql } = await open()
    const { opened, open: go } = gate()
    await started(store, { name: 'mails', transaction: 'none', handler: () => opened })
    await append(store, 'orders:1', 1)
    await sql('update nvent_events set ts = ts - 100000')
    expect(await consumersOf(store)).toMatchObject({ status: 'ok' })
    expect(await consumersOf(store, { consumerLagMs: 90_000 })).toMatchObject({ status: 'degraded', reason: expect.stringMatching(/^consumer "mails" is \d+ s behind/) as string })
    go()
  })

  it.runIf(available())('refuses limits that are none', async () => {
    const { store } = await open()
    for (const options of [{ consumerStaleMs: '1m' }, { consumerLagMs: -1 }, { consumerLag: 1 }]) {
      await expect(store.admin.health(options as never), JSON.stringify(options)).rejects.toMatchObject({ code: 'INVALID_VALUE' })
    }
  })
})
