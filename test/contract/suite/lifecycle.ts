import { describe, expect, it } from 'vitest'
import { eventually } from '../../setup/eventually'
import { createStore } from '../../../src/runtime/core/index'
import type { Store, StoreOptions } from '../../../src/runtime/core/index'
import { collect, expectRefused, failureOf, unique, wrong } from './context'
import type { Use } from './context'

/** One call of each kind. */
const calls: [name: string, call: (store: Store) => Promise<unknown>][] = [
  ['ready', store => store.ready()],
  ['transaction', store => store.transaction(async () => {})],
  ['stream.append', store => store.stream.append('orders:1', { type: 'a' })],
  ['stream.read', store => store.stream.read('orders:1')],
  ['stream.appendMany', store => store.stream.appendMany('orders:1', [{ type: 'a' }])],
  ['stream.appendAll', store => store.stream.appendAll([{ subject: 'orders:1', events: [{ type: 'a' }] }])],
  ['stream.iterate', store => collect(store.stream.iterate('orders:1'))],
  ['stream.current', store => store.stream.current('orders:1')],
  ['stream.list', store => store.stream.list()],
  ['stream.archive', store => store.stream.archive('orders:1')],
  ['stream.unarchive', store => store.stream.unarchive('orders:1')],
  ['stream.truncateBefore', store => store.stream.truncateBefore('orders:1', 1)],
  ['stream.dismiss', store => store.stream.dismiss('1', { reason: 'a', by: 'b' })],
  ['stream.restore', store => store.stream.restore('1')],
  ['stream.dismissed', store => store.stream.dismissed('orders:1')],
  ['with', store => store.with({ query: async () => ({ rows: [], rowCount: 0 }) }).kv.get('a')],
  ['stream.subscribe', store => store.stream.subscribe('orders:1', () => {})],
  ['stream.delete', store => store.stream.delete('orders:1')],
  ['index.add', store => store.index.add('orders', 'a', 1)],
  ['index.get', store => store.index.get('orders', 'a')],
  ['index.read', store => store.index.read('orders')],
  ['index.update', store => store.index.update('orders', 'a', {})],
  ['index.updateWithRetry', store => store.index.updateWithRetry('orders', 'a', {})],
  ['index.increment', store => store.index.increment('orders', 'a', 'n')],
  ['index.delete', store => store.index.delete('orders', 'a')],
  ['index.remove', store => store.index.remove('orders', 'a')],
  ['kv.get', store => store.kv.get('a')],
  ['kv.set', store => store.kv.set('a', 1)],
  ['kv.delete', store => store.kv.delete('a')],
  ['kv.list', store => store.kv.list()],
  ['kv.clear', store => store.kv.clear('a')],
  ['kv.increment', store => store.kv.increment('a')],
]

const wrongOptions: [what: string, option: string, options: StoreOptions][] = [
  ['no connection', 'connection', {}],
  ['an empty connection', 'connection', { connection: '' }],
  ['a connection that is a number', 'connection', { connection: wrong(5432) }],
  ['an empty prefix', 'prefix', { prefix: '' }],
  ['a prefix that is too long', 'prefix', { prefix: 'x'.repeat(33) }],
  ['a prefix that is too long in bytes', 'prefix', { prefix: 'ž'.repeat(17) }],
  ['a prefix with \\u0000', 'prefix', { prefix: 'a\0' }],
  ['an empty subject prefix', 'subjectPrefix', { subjectPrefix: '' }],
  ['an empty schema', 'schema', { schema: '' }],
  ['a schema that is too long', 'schema', { schema: 'x'.repeat(64) }],
  ['half a surrogate pair in the schema', 'schema', { schema: '\uD83D' }],
  ['a flag that is a text', 'autoMigrate', { autoMigrate: wrong('false') }],
  ['another flag that is a number', 'prepare', { prepare: wrong(0) }],
  ['another durability', 'durability', { durability: wrong('lazy') }],
  ['a pool of nobody', 'poolSize', { poolSize: 0 }],
  ['a fraction of a table', 'maxStreamTables', { maxStreamTables: 0.5 }],
  ['no interval', 'pollInterval', { pollInterval: Number.NaN }],
  ['a sweep interval that is a text', 'sweepInterval', { sweepInterval: wrong('60') }],
]

export function lifecycleSuite(use: Use): void {
  const opened = (options?: StoreOptions) => use().open(options)

  describe('ready', () => {
    it('says what the store is connected to, the same each time', async () => {
      const { store } = use()
      const info = await store.ready()
      expect(info).toStrictEqual({
        driver: expect.toBeOneOf(['postgres', 'pglite']), database: expect.any(String), schema: expect.any(String), prefix: expect.any(String),
        schemaVersion: expect.any(Number), applied: expect.any(Number), serverVersion: expect.stringMatching(/^\d+/),
      })
      expect(info.schemaVersion).toBeGreaterThanOrEqual(1)
      expect(info.applied).toBe(info.schemaVersion)
      expect(await store.ready()).toStrictEqual(info)
    })

    it('needs not be called: calls wait until the store is ready', async () => {
      const { store } = await opened()
      const results = await Promise.all([
        store.kv.set('a', 1), store.stream.append('orders:1', { type: 'a' }), store.index.add('orders', 'a', 1), store.kv.increment('n'),
      ])
      expect(results[3]).toBe(1)
      expect(await store.stream.read('orders:1')).toHaveLength(1)
    })
  })

  describe('close', () => {
    it('waits for the calls under way', async () => {
      const { store } = await opened()
      await store.ready()
      const subjects = Array.from({ length: 10 }, (_, at) => `orders:${at}`)
      const underWay = [
        ...subjects.map(subject => store.stream.append(subject, { type: 'a' })),
        store.transaction(async (tx) => {
          for (const subject of subjects) await tx.kv.set(subject, 1)
          return 'done'
        }),
        store.kv.set('a', 1),
      ]
      let ended = 0
      for (const call of underWay) void call.then(() => ended++)
      await store.close()
      expect(ended).toBe(underWay.length)
      expect(await Promise.all(underWay)).toContain('done')
    })

    it('waits for calls that are waiting for the store to be ready', async () => {
      const { store } = await opened()
      const call = store.kv.set('a', 1).then(() => 'kept', (error: { code: string }) => error.code)
      await store.close()
      expect(await call).toBeOneOf(['kept', 'CLOSED'])
    })

    it('may be called again, at the same time and before anything else', async () => {
      const { store } = await opened()
      await Promise.all([store.close(), store.close()])
      await store.close()
      const used = await opened()
      await used.store.kv.set('a', 1)
      await used.store.close()
      await used.store.close()
    })

    it('refuses every later call with CLOSED', async () => {
      const { store } = await opened()
      await store.ready()
      await store.close()
      for (const [name, call] of calls) expect((await failureOf(() => call(store))).code, name).toBe('CLOSED')
    })

    it('refuses calls with CLOSED on a store that was never used', async () => {
      const { store } = await opened()
      await store.close()
      for (const [name, call] of calls) expect((await failureOf(() => call(store))).code, name).toBe('CLOSED')
    })
  })

  describe('options', () => {
    it.each(wrongOptions)('%s is refused at once', (_, option, options) => {
      const create = () => createStore(option === 'connection' ? options : { connection: 'pglite://memory', ...options })
      expect(create).toThrow(expect.objectContaining({ name: 'StoreError', code: 'INVALID_OPTION', message: expect.stringContaining(`\`${option}\``) }))
    })

    it('autoMigrate: false on an empty database is an error that says what to do', async () => {
      const { store } = await opened({ autoMigrate: false })
      const error = await failureOf(() => store.kv.get('a'))
      expect(error.code).toBe('SCHEMA_BEHIND')
      expect(error.message).toContain('migrate')
    })

    it('a schema that is missing is created', async () => {
      const { store, sql } = await opened({ schema: 'made; for "us"', prefix: 'p' })
      await store.kv.set('a', 1)
      expect(await sql(`select value from "made; for ""us""".p_kv`)).toStrictEqual([{ value: 1 }])
    })

    it.each([
      ['quotes and SQL', `it's "my"; --`, `'; drop schema public; -- "b" \\ %`],
      ['placeholders', '{schema}', '{prefix}'],
      ['dollar quotes', '$nvent$ $1 $$', '$nvent$'],
      ['as many bytes as fit', '🐘'.repeat(8), 'ž'.repeat(31)],
    ])('prefix and schema may hold %s', async (_, prefix, schema) => {
      const { store, sql, table, info } = await use().openReady({ prefix, schema, subjectPrefix: 'p' })
      expect(info).toMatchObject({ prefix, schema })
      for (const subject of ['nq:flow:1', 'p:flow:run:1', 'p:trigger:event:1']) {
        const event = await store.stream.append(subject, { type: 'a' })
        expect(await store.stream.read(subject)).toStrictEqual([event])
      }
      for (const key of ['orders', 'p:flow:runs:1', 'p:flows', 'p:triggers', 'p:scheduler:jobs']) {
        await store.index.add(key, 'a', 1, { n: 1 })
        await store.index.update(key, 'a', { deep: { er: 1 } })
        expect(await store.index.increment(key, 'a', 'stats.total')).toBe(1)
        expect(await store.index.read(key, { filter: { n: 1 } })).toHaveLength(1)
      }
      expect(await store.kv.increment('a')).toBe(1)
      expect(await sql(`select value from ${table('kv')}`)).toStrictEqual([{ value: 1 }])
    })

    it('expired keys are removed by a sweep, live ones are not', async () => {
      const { store, sql, table } = await use().openReady({ sweepInterval: 20 })
      await Promise.all([store.kv.set('live', 1, 1000), store.kv.set('for ever', 1), store.kv.set('dead', 1, 0), store.kv.set('dead too', 1, 0)])
      await eventually(async () => {
        expect(await sql(`select key from ${table('kv')} order by key`)).toStrictEqual([{ key: 'for ever' }, { key: 'live' }])
      })
    })

    it('prepare: false works just as well', async () => {
      const { store } = await opened({ prepare: false })
      await store.index.add('orders', 'a', 1, { n: 1 })
      expect(await store.index.increment('orders', 'a', 'n')).toBe(2)
      expect(await store.stream.append('orders:1', { type: 'a' })).toMatchObject({ type: 'a' })
    })
  })

  describe('the APIs', () => {
    it('have no indexAdd, which would send nvent on another path', async () => {
      const { store } = use()
      for (const target of [store, store.index, store.stream, store.kv]) expect('indexAdd' in target).toBe(false)
    })

    it('may be taken apart', async () => {
      const { store: { kv: { set, get }, index: { add, updateWithRetry }, stream: { append, read } } } = use()
      const name = unique()
      await set(name, 1)
      await add(name, 'a', 1)
      await updateWithRetry(name, 'a', { b: 1 })
      await append(name, { type: 'a' })
      expect([await get(name), (await read(name)).length]).toStrictEqual([1, 1])
    })

    it('reject, and never throw, for wrong arguments', async () => {
      const { store } = use()
      await expectRefused(() => store.kv.get(wrong(undefined)), 'key')
      await expectRefused(() => store.index.get('a', wrong(undefined)), 'id')
      await expectRefused(() => store.stream.append(wrong(undefined), wrong(undefined)), 'subject')
      await expectRefused(() => store.transaction(wrong(null)), 'work')
    })
  })
}
