/** What is told of consumers: how far they are behind, since when, and what waits. */
import { describe, expect, it } from 'vitest'
import { embeddedAndServer } from '../setup/backends'
import { gate } from '../setup/consumers'
import { append, started } from '../setup/deadLetters'
import { eventually } from '../setup/eventually'

const HOUR = 3_600_000

describe.each(embeddedAndServer)('the consumers of a database on $name', ({ open, available }) => {
  it.runIf(available())('say since when their first event waits, in any table, and 0 when none does', async () => {
    const { store, sql } = await open()
    await started(store, { name: 'idle', types: ['other'], handler: () => {} })
    for (const subject of ['orders:1', 'nvent:flow:run:1', 'nvent:trigger:event:1']) {
      const { opened, open } = gate()
      const consumer = await started(store, { name: subject, from: 'now', transaction: 'none', handler: () => opened })
      expect(await consumer.status()).toMatchObject({ lag: 0, lagMs: 0, parked: 0, blocked: 0 })
      await append(store, subject, { n: 1 })
      for (const table of ['events', 'flow_events', 'trigger_events']) await sql(`update nvent_${table} set ts = ts - ${HOUR} where ts > ${Date.now() - HOUR / 2}`)
      await append(store, subject, { n: 2 })
      for (const { lagMs } of [await consumer.status(), (await store.admin.consumers.get(subject))!]) {
        expect(lagMs, subject).toBeGreaterThanOrEqual(HOUR)
        expect(lagMs, subject).toBeLessThan(2 * HOUR)
      }
      open()
      await eventually(async () => expect(await consumer.status()).toMatchObject({ lag: 0, lagMs: 0 }))
      expect(await store.admin.consumers.get(subject)).toMatchObject({ lag: 0, lagMs: 0 })
      await consumer.stop()
    }
    // Events that it does not want are not waited for.
    await eventually(async () => expect(await store.admin.consumers.get('idle')).toMatchObject({ lag: 0, lagMs: 0 }))
    expect(await store.consume({ name: 'never started', handler: () => {} }).status()).toMatchObject({ position: null, lagMs: null, staleMs: null })
  })

  it.runIf(available())('count subjects that are parked apart from the lag, and those that wait for an operator', async () => {
    const { store } = await open()
    await append(store, 'orders:1', { n: 1 })
    const consumer = await started(store, {
      handler: () => {
        throw new Error('poison')
      },
    })
    await eventually(async () => expect(await consumer.status()).toMatchObject({ lagMs: 0, parked: 1, blocked: 1 }))
    await started(store, {
      name: 'tries again', maxAttempts: 9, backoff: { first: 60_000 }, handler: () => {
        throw new Error('poison')
      },
    })
    await eventually(async () => expect(await store.admin.consumers.get('tries again')).toMatchObject({ lagMs: 0, parked: 1, blocked: 0 }))
  })

  it.runIf(available())('are stale while no process looks after them, and not while one has nothing to do', async () => {
    const { store, sql } = await open()
    const look = async () => (await store.admin.consumers.get('fulfilment'))!.staleMs
    const goBack = (where: string) => sql(`update nvent_consumer_shards set updated_at = updated_at - interval '1 hour' where ${where}`)
    const consumer = await started(store, { handler: () => {} })
    await goBack('true')
    await eventually(async () => expect(await look()).toBeLessThan(HOUR))
    expect((await consumer.status()).staleMs).toBeLessThan(HOUR)
    await consumer.stop()
    expect(await look(), 'it was looked after until a moment ago').toBeLessThan(HOUR)
    // Shards that are looked after do not hide one that is not.
    await goBack('shard = 7')
    expect(await look()).toBeGreaterThanOrEqual(HOUR)
    const { staleMs, ...status } = await consumer.status()
    expect(staleMs).toBeGreaterThanOrEqual(HOUR)
    expect(status).toMatchObject({ lag: 0, lagMs: 0, shards: { held: 0 } })
    await consumer.runOnce()
    expect(await look()).toBeLessThan(HOUR)
  })

  it.runIf(available())('are stale since the last claim where workers claim their events', async () => {
    const { store, sql } = await open()
    const look = async () => (await store.admin.consumers.get('thumbnails'))!.staleMs
    await store.leases.open({ consumer: 'thumbnails' })
    await sql('update nvent_consumers set created_at = created_at - interval \'1 hour\'')
    expect(await look()).toBeGreaterThanOrEqual(HOUR)
    expect(await store.leases.claim({ consumer: 'thumbnails', by: 'worker' })).toEqual([])
    expect(await look()).toBeLessThan(HOUR)
    await sql('update nvent_consumers set claimed_at = claimed_at - interval \'1 hour\'')
    expect(await look()).toBeGreaterThanOrEqual(HOUR)
  })

  it.runIf(available())('count the dead letters that are parked or skipped, in whole milliseconds', async () => {
    const { store } = await open()
    let isBroken = true
    const consumer = await started(store, { handler: ({ data }) => {
      if (isBroken && data.n === 1) throw new Error('poison')
    } })
    await append(store, 'orders:1', { n: 1 })
    const deadLetters = async () => [(await store.admin.consumers.get('fulfilment'))!.deadLetters, (await store.admin.health()).checks.consumers!.deadLetters]
    await eventually(async () => expect(await deadLetters()).toEqual([1, 1]))
    const { letters: [letter] } = await store.deadLetters.list()
    isBroken = false
    await store.deadLetters.requeue(letter!.id, { event: { data: { n: 2 } } })
    await eventually(async () => expect(await consumer.status()).toMatchObject({ parked: 0 }))
    expect(await store.deadLetters.get(letter!.id)).toMatchObject({ state: 'edited' })
    expect(await deadLetters()).toEqual([0, 0])
    for (const { lagMs, staleMs } of [await consumer.status(), ...await store.admin.consumers.list()]) for (const ms of [lagMs, staleMs]) expect(ms).toSatisfy(Number.isInteger)
  })
})
