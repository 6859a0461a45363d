/** Handlers that outlast the lease, and connections that break under them. */
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { freshDatabase, openStore } from '../../setup/database'
import { append, gate, numberOf, started } from '../../setup/consumers'
import { servers } from '../servers'

const LEASE_MS = 300

describe.each(servers)('leases of consumers on $name', ({ server }) => {
  it.each([1, 2])('outlive a handler that keeps all connections busy for longer: %i in the pool', async (poolSize) => {
    const { url } = await freshDatabase(server)
    const store = openStore({ connection: url, poolSize })
    await append(store, 'a', 1, 2)
    const consumer = await started(store, {
      name: 'slow', transaction: 'each', leaseMs: LEASE_MS, concurrency: poolSize, async handler(event, { tx }) {
        await tx.kv.increment('handled')
        await sleep(LEASE_MS * 3)
        await tx.kv.increment(`n:${numberOf(event)}`)
      },
    })
    await consumer.whenCaughtUp()
    expect(await store.kv.getMany(['handled', 'n:1', 'n:2'])).toEqual([2, 1, 1])
  })

  it('stay with processes whose connections are all busy with handlers that take longer', async () => {
    const { url } = await freshDatabase(server)
    const stores = Array.from({ length: 3 }, () => openStore({ connection: url, poolSize: 1 }))
    const subjects = Array.from({ length: 12 }, (_, at) => `a:${at}`)
    await Promise.all(subjects.map(subject => append(stores[0]!, subject, 1)))
    const calls: string[] = []
    const consumers = await Promise.all(stores.map(store => started(store, {
      name: 'slow', transaction: 'each', leaseMs: LEASE_MS, shards: 4, async handler({ subject }, { tx }) {
        calls.push(subject)
        await tx.kv.increment(subject)
        await sleep(LEASE_MS * 3)
      },
    })))
    await consumers[0]!.whenCaughtUp()
    expect(await stores[0]!.kv.getMany(subjects)).toEqual(subjects.map(() => 1))
    // One or another may be taken over between two handlers.
    expect(calls.length).toBeLessThan(subjects.length * 1.5)
  })

  it.each(['batch', 'each'] as const)('count no attempt when the connection breaks under a handler: transaction %s', async (transaction) => {
    const { url, sql } = await freshDatabase(server)
    const store = openStore({ connection: url })
    await append(store, 'a', 1)
    const begun = gate()
    let calls = 0
    const consumer = await started(store, {
      name: 'cut off', transaction, maxAttempts: 1, async handler(_, { tx }) {
        calls++
        const { rows: [row] } = await tx.query<{ pid: number }>('select pg_backend_pid() as pid')
        if (calls === 1) {
          await sql('select pg_terminate_backend($1::int, 10000)', [row!.pid])
          begun.open()
        }
        await tx.kv.increment('handled')
      },
    })
    await begun.opened
    await consumer.whenCaughtUp()
    expect(await store.kv.get('handled')).toBe(1)
    expect((await store.deadLetters.list()).letters).toEqual([])
  })

  it.each([1, 1_000])('are short, or of many shards, and two stores share them: %i', async (shards) => {
    const { url } = await freshDatabase(server)
    const stores = [openStore({ connection: url }), openStore({ connection: url })]
    const subjects = Array.from({ length: 30 }, (_, at) => `a:${at}`)
    await Promise.all(subjects.map(subject => append(stores[0]!, subject, 1)))
    const consumers = []
    for (const store of stores) {
      consumers.push(await started(store, {
        name: 'shared', shards, leaseMs: shards === 1 ? LEASE_MS : 1_000, handler: async ({ subject }, { tx }) => void await tx.kv.increment(subject),
      }))
    }
    await Promise.all(subjects.map(subject => append(stores[1]!, subject, 2)))
    await consumers[0]!.whenCaughtUp({ timeout: 120_000 })
    expect(await stores[0]!.kv.getMany(subjects)).toEqual(subjects.map(() => 2))
  })
})
