/** Connections of the store that break under a handler: no failure of the event, as it is with the one of `tx`. */
import { describe, expect, it } from 'vitest'
import type { ConsumeOptions } from '../../../src/runtime/core/consumers/types'
import type { Store } from '../../../src/runtime/core/index'
import { append, gate, started } from '../../setup/consumers'
import { eventually } from '../../setup/eventually'
import { useOwnServer } from './own'

const { server, open, proxy: startProxy } = useOwnServer()

const SLEEP = 'select pg_sleep(600)'
const STUCK = 'wait_event = \'PgSleep\' or (wait_event_type = \'Lock\' and datname = current_database())'

/** Waits for a transaction that has not ended. */
async function setLocked(store: Store): Promise<void> {
  const { opened, open } = gate()
  await new Promise<void>((resolve, reject) => {
    store.transaction(async (tx) => {
      await tx.kv.set('locked', 1)
      resolve()
      await opened
    }).catch(reject)
  })
  await store.kv.set('locked', 2).finally(open)
}

/** Calls of a store that never end by themselves. */
const CALLS: [call: string, run: (store: Store) => Promise<unknown>][] = [
  ['a single call', setLocked],
  ['a statement of a transaction', store => store.transaction(tx => tx.query(SLEEP))],
  ['a transaction within another one', store => store.transaction(() => store.transaction(tx => tx.query(SLEEP)))],
  ['the commit of a transaction', store => store.transaction(async (tx) => {
    await tx.query('create temp table waits (id int primary key deferrable initially deferred) on commit drop')
    await tx.query('create function pg_temp.waits() returns trigger language plpgsql as $$ begin perform pg_sleep(600); return null; end $$')
    await tx.query('create constraint trigger waits after insert on waits deferrable initially deferred for each row execute function pg_temp.waits()')
    await tx.query('insert into waits values (1)')
  })],
]

/** Waits until such a call is under way. */
const stuck = (admin: Store) => eventually(async () => {
  const { rows } = await admin.transaction(tx => tx.query(`select pid from pg_stat_activity where ${STUCK}`))
  expect(rows.length).toBeGreaterThan(0)
})

async function terminate(admin: Store): Promise<void> {
  await stuck(admin)
  await admin.transaction(tx => tx.query(`select pg_terminate_backend(pid) from pg_stat_activity where ${STUCK}`))
}

/** Handles one event, whose first attempt makes a call that is cut off. */
async function handled(store: Store, options: Partial<ConsumeOptions>, first: () => Promise<unknown>, breaking: () => Promise<void>) {
  const attempts: number[] = []
  await append(store, 'a', 1)
  const consumer = await started(store, { name: 'calls', leaseMs: 20_000, ...options, async handler(_, { attempt }) {
    attempts.push(attempt)
    if (attempts.length === 1) await first()
  } })
  await breaking()
  await eventually(async () => expect(await consumer.status()).toMatchObject({ lag: 0, ...attempts.length > 1 ? { parked: 0 } : { blocked: 1 } }))
  const { letters } = await store.deadLetters.list()
  await consumer.stop()
  return { attempts, letters: letters.length, failed: store.admin.metrics().consumers.calls!.failed }
}

const NOT_COUNTED = { attempts: [1, 1], letters: 0, failed: 0 }
const COUNTED = { attempts: [1], letters: 1, failed: 1 }

describe.each([{ transaction: 'none' }, { transaction: 'batch' }, { transaction: 'each' }] as const)('under a handler: %o', ({ transaction }) => {
  const options = { transaction, maxAttempts: 1 }

  it.each(CALLS)('a terminated connection of the store is no attempt: %s', async (_, call) => {
    const store = open()
    const admin = open()
    expect(await handled(store, options, () => call(store), () => terminate(admin))).toEqual(NOT_COUNTED)
  })

  it('a network that is cut is no attempt', async () => {
    const proxy = await startProxy()
    const store = open({ connection: proxy.urlOf(server().url) })
    const admin = open()
    expect(await handled(store, options, () => store.transaction(tx => tx.query(SLEEP)), async () => {
      await stuck(admin)
      proxy.cut()
    })).toEqual(NOT_COUNTED)
    // The server may not have heard of it.
    await admin.transaction(tx => tx.query(`select pg_terminate_backend(pid) from pg_stat_activity where ${STUCK}`))
  })

  it('what others have done meanwhile is not handled again, and the event comes as it is in the log', async () => {
    const store = open()
    const admin = open()
    const seen: unknown[] = []
    await append(store, 'breaks', 0)
    for (let n = 1; n <= 20; n++) await append(store, `well:${n}`, n)
    const consumer = await started(store, { name: 'calls', leaseMs: 60_000, shards: 1, concurrency: 2, ...options, async handler(event) {
      seen.push(event.data.n)
      if (event.subject !== 'breaks' || seen.filter(n => n === 0).length > 1) return
      event.data.n = 'changed'
      await store.transaction(tx => tx.query(SLEEP))
    } })
    if (transaction === 'none') await eventually(() => expect(seen).toHaveLength(21))
    await terminate(admin)
    await consumer.whenCaughtUp({ timeout: 120_000 })
    expect(seen.toSorted((a, b) => Number(a) - Number(b))).toEqual([0, 0, ...Array.from({ length: 20 }, (_, at) => at + 1)])
    expect(store.admin.metrics().consumers.calls).toMatchObject({ handled: 21, failed: 0 })
  })

  it.each<[string, (store: Store, other: Store) => Promise<unknown>]>([
    ['of another store', (_, other) => other.transaction(tx => tx.query(SLEEP))],
    ['of another store, in a transaction of this one', (store, other) => store.transaction(() => other.transaction(tx => tx.query(SLEEP)))],
    ['of another store, in a transaction of which a statement is called as well', (store, other) => store.transaction(async (tx) => {
      await tx.kv.get('a')
      await other.transaction(inner => inner.query(SLEEP))
    })],
    ['that the handler makes an error of its own of', store => store.transaction(tx => tx.query(SLEEP)).catch((cause: unknown) => {
      throw new Error('no stock', { cause })
    })],
  ])('the failure of a connection %s is one', async (_, call) => {
    const store = open()
    const other = open()
    const admin = open()
    expect(await handled(store, options, () => call(store, other), () => terminate(admin))).toEqual(COUNTED)
  })

  it('the failure of an earlier attempt is one: it may come again for ever', async () => {
    const store = open()
    const admin = open()
    const kept = store.transaction(tx => tx.query(SLEEP))
    kept.catch(() => {})
    await terminate(admin)
    await expect(kept).rejects.toMatchObject({ code: 'CONNECTION' })
    expect(await handled(store, options, () => kept, async () => {})).toEqual(COUNTED)
  })

  it.each([
    ['ends its own', 'select pg_terminate_backend(pg_backend_pid())'],
    ['fails like one that is lost', `do $$ begin raise exception 'the other server is away' using errcode = '08001'; end $$`],
  ])('an event whose connection %s each time becomes a dead letter, and holds up no other', async (_, text) => {
    const store = open()
    const seen: string[] = []
    await append(store, 'breaks', 1, 2)
    for (let line = 0; line < 20; line++) await append(store, `well:${line}`, 1)
    const consumer = await started(store, { name: 'breaking', leaseMs: 20_000, shards: 1, ...options, async handler({ subject }, { tx }) {
      seen.push(subject)
      if (subject !== 'breaks') return
      await (transaction === 'none' ? store.transaction(inner => inner.query(text)) : tx.query(text))
    } })
    await consumer.whenCaughtUp()
    expect((await store.deadLetters.list()).letters).toMatchObject([{ subject: 'breaks', event: { data: { n: 1 } }, attempts: 1, error: { code: 'CONNECTION' } }])
    expect(new Set(seen).size).toBe(21)
    expect(await consumer.status()).toMatchObject({ lag: 0, parked: 1, blocked: 1 })
  })
})
