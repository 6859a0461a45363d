import { tracingChannel } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { migrations, prometheusText } from '../../../src/runtime/core/index'
import type { Store, StoreEvents, TracedCall } from '../../../src/runtime/core/index'
import { expectCode, expectRefused, failureOf, unique, wrong } from './context'
import type { Use } from './context'

const LATEST = migrations.length
const SECRET = 'c0nfidential'

/** Everything the channel tells while the test runs. */
export function traceCalls(): { step: string, call: TracedCall }[] {
  const heard: { step: string, call: TracedCall }[] = []
  const channel = tracingChannel<unknown, TracedCall>('nvent-store-postgres:operation')
  const hear = (step: string) => (call: TracedCall) => void heard.push({ step, call: { ...call } })
  const subscriber = { start: hear('start'), end: hear('end'), asyncStart: hear('asyncStart'), asyncEnd: hear('asyncEnd'), error: hear('error') }
  channel.subscribe(subscriber as never)
  onTestFinished(() => void channel.unsubscribe(subscriber as never))
  return heard
}

/** A use of every tier in which subjects, keys, ids, fields, types and values hold the secret; some calls fail. */
async function useSecretly(store: Store): Promise<void> {
  const failing = (call: Promise<unknown>) => call.then(() => expect.fail('should fail'), () => {})
  await store.stream.append(`orders:${SECRET}`, { type: SECRET, data: SECRET })
  await store.stream.append(`${SECRET}:1`, { type: SECRET, data: SECRET })
  await store.stream.read(`orders:${SECRET}`, { types: [SECRET] })
  await store.index.add(SECRET, SECRET, 1, { [SECRET]: SECRET })
  await store.index.update(SECRET, SECRET, { [SECRET]: 'x' }, { expectedVersion: 7 })
  await store.index.read(SECRET, { filter: { [SECRET]: SECRET } })
  await store.kv.set(SECRET, SECRET)
  await store.transaction(tx => tx.query('select $1::text', [SECRET]))
  await failing(store.kv.increment(SECRET))
  await failing(store.index.increment(SECRET, 'none', SECRET))
  await failing(store.transaction(tx => tx.query(`select ${SECRET}`)))
  await failing(store.transaction(async () => {
    throw new Error(SECRET)
  }))
  await failing(store.stream.append(`orders:${SECRET}`, { type: SECRET, data: wrong(Number.NaN) }))
}

export function adminSuite(use: Use): void {
  describe('admin: the schema', () => {
    it('says its version, migrates, and goes back', async () => {
      const { store } = await use().openReady()
      expect(await store.admin.version()).toBe(LATEST)
      expect(await store.admin.migrate()).toStrictEqual({ version: LATEST, applied: 0 })
      await store.admin.rollbackTo(0)
      expect(await store.admin.version()).toBe(0)
      expect(await store.admin.health()).toMatchObject({ status: 'down', checks: { schema: { status: 'down', version: 0, expected: LATEST } } })
      expect(await store.admin.migrate()).toStrictEqual({ version: LATEST, applied: LATEST })
      await store.kv.set('a', 1)
      expect(await store.kv.get('a')).toBe(1)
      await expectRefused(() => store.admin.rollbackTo(-1), 'version')
    })

    it('is not changed inside a transaction, which would wait for itself', async () => {
      const { store } = await use().openReady()
      await store.stream.append('orders:1', { type: 'a' })
      const calls = [() => store.admin.rollbackTo(0), () => store.admin.dropStreamTable('orders'), () => store.admin.migrate()]
      for (const call of calls) {
        await store.transaction(async (tx) => {
          await tx.stream.append('orders:1', { type: 'b' })
          await expectCode(call, 'INVALID_CALL')
        })
      }
      expect(await store.stream.read('orders:1')).toHaveLength(1 + calls.length)
    })

    it('lists the tables of subject types and drops one', async () => {
      const { store, info } = await use().openReady()
      await store.stream.append('nq:flow:1', { type: 'a' })
      await store.stream.append('orders:1', { type: 'a' })
      const orders = { subjectPrefix: 'orders', tableName: `${info.prefix}_stream_orders` }
      expect(await store.admin.streamTables()).toStrictEqual([{ subjectPrefix: 'nq:flow', tableName: `${info.prefix}_stream_flow` }, orders])
      expect(await store.admin.dropStreamTable('nq:flow')).toBe(true)
      expect(await store.admin.dropStreamTable('nq:flow')).toBe(false)
      expect(await store.admin.streamTables()).toStrictEqual([orders])
      expect(await store.stream.read('nq:flow:1')).toStrictEqual([])
      await expectRefused(() => store.admin.dropStreamTable(wrong(undefined)), 'subjectPrefix')
    })
  })

  describe('admin: health', () => {
    it('is ok while calls work, and says what was looked at', async () => {
      const { store } = use()
      expect(await store.admin.health()).toStrictEqual({
        status: 'ok',
        timestamp: expect.closeTo(Date.now(), -5),
        checks: {
          database: { status: 'ok', durationMs: expect.any(Number) },
          schema: { status: 'ok', version: LATEST, expected: LATEST },
          sweep: expect.objectContaining({ status: 'ok' }),
          retention: expect.objectContaining({ status: 'ok' }),
          ...store.admin.metrics().pool && { pool: expect.objectContaining({ status: 'ok', total: expect.any(Number), waiting: 0 }) },
        },
      })
    })

    it('is down, and does not reject, on a store that is closed or whose schema is behind', async () => {
      const closed = await use().open()
      await closed.store.close()
      expect(await closed.store.admin.health()).toMatchObject({ status: 'down', checks: { database: { status: 'down', reason: 'CLOSED' } }, error: { code: 'CLOSED' } })
      const behind = await use().open({ autoMigrate: false })
      expect(await behind.store.admin.health()).toMatchObject({ status: 'down', error: { code: 'SCHEMA_BEHIND', message: expect.stringContaining('migrate') } })
    })

    it('refuses a time-out that is none', async () => {
      await expectRefused(() => use().store.admin.health({ timeoutMs: wrong('1s') }), 'timeoutMs')
    })
  })

  describe('admin: metrics', () => {
    it('count calls, errors, durations and events', async () => {
      const { store } = await use().openReady()
      await store.stream.append('orders:1', { type: 'a' })
      await store.stream.appendMany('orders:1', [{ type: 'b' }, { type: 'c' }])
      await failureOf(() => store.kv.get(wrong(5)))
      await store.transaction(async (tx) => {
        await tx.stream.append('orders:1', { type: 'd' })
        await tx.query('select 1')
      })
      const aborted = store.transaction(async (tx) => {
        await tx.stream.append('orders:1', { type: 'e' })
        throw new Error('no')
      })
      await expect(aborted).rejects.toThrow('no')
      const { operations, eventsWritten, bucketsMs, since } = store.admin.metrics()
      expect(operations['stream.append']).toMatchObject({ calls: 3, errors: {}, active: 0 })
      expect(operations['stream.appendMany']).toMatchObject({ calls: 1 })
      expect(operations['kv.get']).toMatchObject({ calls: 1, errors: { INVALID_VALUE: 1 } })
      expect(operations['transaction']).toMatchObject({ calls: 2, errors: { OTHER: 1 } })
      expect(operations['transaction.query']).toMatchObject({ calls: 1, errors: {} })
      expect(eventsWritten, 'what was rolled back was not written').toBe(4)
      expect(since).toBeLessThanOrEqual(Date.now())
      for (const { calls, totalMs, maxMs, buckets } of Object.values(operations)) {
        expect(buckets).toHaveLength(bucketsMs.length)
        expect([...buckets, calls]).toStrictEqual([...buckets, calls].sort((a, b) => a - b))
        expect(maxMs).toBeLessThanOrEqual(totalMs)
      }
    })

    it('count what goes out together, subscriptions and the calls under way', async ({ skip }) => {
      skip(use().batching === false, 'nothing goes out together')
      const { store } = await use().openReady()
      const pending = Promise.all(Array.from({ length: 50 }, (_, at) => store.kv.set(`a${at}`, at)))
      expect(store.admin.metrics().operations['kv.set']).toMatchObject({ calls: 0, active: 50 })
      await pending
      const { batching } = store.admin.metrics()
      expect(batching.calls).toBe(50)
      expect(batching.statements).toBeGreaterThan(0)
      expect(batching.statements).toBeLessThan(50)
      const subscription = await store.stream.subscribe('orders:1', () => {})
      expect(store.admin.metrics().subscriptions).toBe(1)
      await subscription.unsubscribe()
      expect(store.admin.metrics().subscriptions).toBe(0)
    })

    it('are a copy', async () => {
      const { store } = use()
      await store.kv.get('a')
      store.admin.metrics().operations['kv.get']!.calls = -5
      expect(store.admin.metrics().operations['kv.get']!.calls).toBeGreaterThan(0)
    })

    it('count what the sweep removes', async () => {
      const { store } = await use().openReady({ sweepInterval: 20 })
      await store.kv.set('dead', 1, 0)
      await expect.poll(() => store.admin.metrics().sweep).toMatchObject({ removed: 1, failures: 0, lastError: null })
    })
  })

  describe('admin: events', () => {
    it('of a conflict name the call', async () => {
      const { store, info } = await use().openReady()
      const heard: StoreEvents['conflict'][] = []
      const stop = store.admin.on('conflict', event => heard.push(event))
      await store.index.add('orders', 'a', 1, { n: 1 })
      expect(await store.index.update('orders', 'a', { n: 2 }, { expectedVersion: 0 })).toBe(true)
      expect(await store.index.update('orders', 'none', { n: 2 })).toBe(false)
      expect(heard).toStrictEqual([])
      expect(await store.index.update('orders', 'a', { n: 3 }, { expectedVersion: 0 })).toBe(false)
      expect(heard).toStrictEqual([{ operation: 'index.update', table: `${info.prefix}_index`, transaction: false, code: 'VERSION_CONFLICT' }])
      stop()
      stop()
      await store.transaction(tx => tx.index.update('orders', 'a', { n: 3 }, { expectedVersion: 0 }))
      expect(heard).toHaveLength(1)
      expect(store.admin.metrics().conflicts).toBe(2)
    })

    it('of a slow call are logged, without its subject', async () => {
      const warn = vi.fn()
      const { store, info } = await use().openReady({ slowCallMs: 1, logger: { info: () => {}, warn, error: () => {} } })
      const heard: StoreEvents['slow'][] = []
      store.admin.on('slow', event => heard.push(event))
      await store.transaction(async (tx) => {
        await tx.query('select pg_sleep(0.05)')
      })
      const expected = { operation: 'transaction', table: undefined, transaction: false, durationMs: expect.any(Number) as number }
      expect(heard).toContainEqual({ ...expected, operation: 'transaction.query', transaction: true })
      expect(heard).toContainEqual(expected)
      expect(warn.mock.calls.flat()).toContainEqual(expect.stringMatching(/^slow call: transaction took \d+ ms$/))
      expect(warn.mock.calls.flat()).toContainEqual(expect.stringMatching(/^slow call: transaction\.query in a transaction took \d+ ms$/))
      await store.stream.appendMany('orders:1', Array.from({ length: 5_000 }, () => ({ type: 'a' })))
      expect(warn.mock.calls.flat()).toContainEqual(expect.stringMatching(`^slow call: stream.appendMany on ${info.prefix}_events took`))
      expect(store.admin.metrics().slowCalls).toBe(heard.length)
    })

    it('of errors leave out what callers do wrong', async () => {
      const { store } = await use().openReady()
      const heard: StoreEvents['error'][] = []
      store.admin.on('error', event => heard.push(event))
      await failureOf(() => store.kv.get(wrong(5)))
      await failureOf(() => store.index.increment('a', 'none', 'n'))
      await expect(store.transaction(() => Promise.reject(new Error('own')))).rejects.toThrow('own')
      expect(heard).toStrictEqual([])
      const error = await failureOf(() => store.transaction(tx => tx.query('select no_such_column')))
      expect(heard).toStrictEqual([{ operation: 'transaction.query', error }, { operation: 'transaction', error }])
    })

    it('of retention bring its report', async () => {
      const { store } = await use().openReady({ retention: [{ subject: '*', maxCount: 1, action: 'drop' }], retentionInterval: 0 })
      const heard: StoreEvents['retention'][] = []
      store.admin.on('retention', event => heard.push(event))
      const report = await store.admin.retention.run()
      expect(heard).toStrictEqual([report])
    })

    it('go on to others when a listener fails, and the call does not hear of it', async () => {
      const error = vi.fn()
      const { store } = await use().openReady({ logger: { info: () => {}, warn: () => {}, error } })
      const heard = vi.fn()
      store.admin.on('conflict', () => {
        throw new Error('thrown')
      })
      store.admin.on('conflict', () => Promise.reject(new Error('rejected')))
      store.admin.on('conflict', heard)
      await store.index.add('a', 'a', 1)
      expect(await store.index.update('a', 'a', {}, { expectedVersion: 5 })).toBe(false)
      expect(heard).toHaveBeenCalledOnce()
      await expect.poll(() => error.mock.calls.flat().sort()).toStrictEqual([
        'a listener of \'conflict\' failed: rejected', 'a listener of \'conflict\' failed: thrown',
      ])
    })

    it('that nothing has are refused', () => {
      expect(() => use().store.admin.on(wrong('slwo'), () => {})).toThrow(/event must be one of .*slow/)
      expect(() => use().store.admin.on('slow', wrong(undefined))).toThrow('listener must be a function')
    })
  })

  describe('tracing', () => {
    it('tells of every call, in the order of tracePromise', async () => {
      const { store, info } = use()
      const heard = traceCalls()
      const key = unique()
      const call = { operation: 'kv.set', table: `${info.prefix}_kv`, transaction: false }
      await store.kv.set(key, 1)
      expect(heard).toStrictEqual(['start', 'end', 'asyncStart', 'asyncEnd'].map(step => ({ step, call })))
      heard.length = 0
      const error = await failureOf(() => store.index.increment(key, 'none', 'n'))
      const failed = { operation: 'index.increment', table: `${info.prefix}_index`, transaction: false }
      expect(heard).toStrictEqual([
        { step: 'start', call: failed }, { step: 'end', call: failed },
        ...['error', 'asyncStart', 'asyncEnd'].map(step => ({ step, call: { ...failed, error } })),
      ])
    })

    it('tells of calls inside a transaction', async () => {
      const { store, P, info } = use()
      const heard = traceCalls()
      await store.transaction(tx => tx.stream.read(`${P}:flow:run:1`))
      expect(heard.filter(({ step }) => step === 'start').map(({ call }) => call)).toStrictEqual([
        { operation: 'transaction', table: undefined, transaction: false },
        { operation: 'stream.read', table: `${info.prefix}_flow_events`, transaction: true },
      ])
    })

    it('changes no result', async () => {
      const { store } = use()
      traceCalls()
      const key = unique()
      await store.kv.set(key, { a: 1 })
      expect(await store.kv.get(key)).toStrictEqual({ a: 1 })
      await failureOf(() => store.kv.increment(key))
    })
  })

  describe('what is secret', () => {
    it('is in no metric, trace, event or log', async () => {
      const logged: unknown[] = []
      const log = (...args: unknown[]) => void logged.push(...args)
      const { store } = await use().openReady({
        slowCallMs: 1, logger: { info: log, warn: log, error: log }, sweepInterval: 20,
        retention: [{ subject: 'orders:*', maxCount: 1, action: 'archive' }],
      })
      const told: unknown[] = []
      for (const event of ['connection:lost', 'connection:restored', 'conflict', 'slow', 'retention'] as const) store.admin.on(event, payload => told.push(payload))
      const heard = traceCalls()
      await useSecretly(store)
      await store.transaction(tx => tx.query('select pg_sleep(0.05)'))
      await store.admin.retention.run()
      const subscription = await store.stream.subscribe(`orders:${SECRET}`, () => {})
      await subscription.unsubscribe()
      const attributes = heard.map(({ call: { error, ...rest } }) => [rest, error instanceof Error && 'code' in error && error.code])
      expect([heard.length > 20, told.length > 2, logged.length > 0]).toStrictEqual([true, true, true])
      const metrics = store.admin.metrics()
      for (const seen of [attributes, told, logged, metrics, prometheusText(metrics), await store.admin.health()]) {
        expect(inspect(seen, { depth: 9, maxArrayLength: null })).not.toContain(SECRET)
      }
    })
  })
}
