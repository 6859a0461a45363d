/** Consumers, leases and relays where every transaction may have another server connection. */
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { ConsumeOptions, Store } from '../../src/runtime/core/index'
import { append, numberOf, started } from '../setup/consumers'
import { freshDatabase, openStore } from '../setup/database'
import { eventually } from '../setup/eventually'
import { hasPgBouncer, startPgBouncer } from '../setup/pgbouncer'
import { servers } from './servers'

const SUBJECTS = Array.from({ length: 12 }, (_, at) => `orders:${at}`)
const EACH = 20
const NUMBERS = Array.from({ length: EACH }, (_, at) => at + 1)

describe.skipIf(!hasPgBouncer()).each(servers)('consumers behind a pooler in transaction mode, before $name', ({ server }) => {
  let open: () => Store

  beforeAll(async () => {
    const { url } = await freshDatabase(server)
    // Fewer connections than those of the stores together.
    const pooler = await startPgBouncer(url, { default_pool_size: '6' })
    open = () => openStore({ connection: pooler.urlOf(url), poolSize: 5, notify: false, logger: { info() {}, warn() {}, error: console.error } })
    const store = open()
    await store.ready()
    return () => pooler.stop()
  })

  const KINDS: [what: string, options: Partial<ConsumeOptions>][] = [
    ['in batches', { transaction: 'batch' }],
    ['one by one', { transaction: 'each', concurrency: 3 }],
    ['without a transaction', { transaction: 'none', concurrency: 5 }],
    ['within limits', { transaction: 'each', concurrency: 4, rateLimit: { limit: 50, perMs: 100 }, concurrencyKey: { limit: 1, key: ({ subject }) => subject } }],
  ]

  it.each(KINDS)('handle each event once, in the order of its subject, in two processes: %s', async (what, options) => {
    const stores = [open(), open()]
    const prefix = `${what}:`.replaceAll(' ', '_')
    const seen: Record<string, number[]> = {}
    const consumers = await Promise.all(stores.map(store => started(store, {
      name: what, subjects: [`${prefix}*`], leaseMs: 5_000, ...options, async handler(event, { tx }) {
        if (options.transaction !== 'none') await tx.kv.increment(`count ${event.subject}`)
        ;(seen[event.subject] ??= []).push(numberOf(event))
      },
    } as ConsumeOptions)))
    await Promise.all(SUBJECTS.map(subject => append(stores[0]!, prefix + subject, ...NUMBERS)))
    await consumers[0]!.whenCaughtUp({ timeout: 60_000 })
    await eventually(async () => expect(await consumers[0]!.status()).toMatchObject({ parked: 0, lag: 0 }))
    for (const subject of SUBJECTS) {
      if (options.transaction !== 'none') expect(await stores[0]!.kv.get(`count ${prefix}${subject}`)).toBe(EACH)
      // A transaction that was not committed may have been seen before.
      expect(seen[prefix + subject]!.filter((n, at, all) => all.indexOf(n) === at)).toEqual(NUMBERS)
    }
  })

  it('give leases to one worker each, and relay each message', async () => {
    const stores = [open(), open()]
    await stores[0]!.leases.open({ consumer: 'leased', subjects: ['leased:*'] })
    await Promise.all(SUBJECTS.map(subject => append(stores[0]!, `leased:${subject}`, ...NUMBERS)))
    const seen: Record<string, number[]> = {}
    await Promise.all(stores.map(async (store, at) => {
      for (let idle = 0; idle < 5;) {
        const leases = await store.leases.claim({ consumer: 'leased', by: `worker ${at}`, limit: 7, leaseMs: 20_000 })
        if (leases.length === 0) {
          idle++
          await sleep(50)
        }
        for (const lease of leases) {
          ;(seen[lease.subject] ??= []).push(...lease.events.map(numberOf))
          await store.leases.ack(lease)
        }
      }
    }))
    expect(seen).toEqual(Object.fromEntries(SUBJECTS.map(subject => [`leased:${subject}`, NUMBERS])))

    const published: number[] = []
    const relays = stores.map(store => store.outbox.relay({ name: 'mails', topics: ['mail'], pollInterval: 20, publish: ({ data }) => void published.push(data as number) }))
    await Promise.all(relays.map(relay => relay.start()))
    onTestFinished(async () => void await Promise.all(relays.map(relay => relay.stop())))
    for (const n of NUMBERS) await stores[n % 2]!.outbox.enqueue(n, { topics: ['mail'], key: 'ann' })
    await eventually(() => expect(published).toEqual(NUMBERS))
  })
})
