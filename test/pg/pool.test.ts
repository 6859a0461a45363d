import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import type { StoreOptions } from '../../src/runtime/core/options/types'
import type { Store } from '../../src/runtime/core/types'
import { freshDatabase, onFileEnd, openStore } from '../setup/database'
import type { Database } from '../setup/database'
import { openPool, servers } from './servers'

const codeOf = (call: Promise<unknown>) => call.then(() => 'no error', (error: { code?: string }) => error.code)

describe.each(servers)('connections on $name', ({ server }) => {
  let database: Database

  beforeAll(async () => {
    database = await freshDatabase(server)
    await openStore({ connection: database.url }).ready()
  })

  /** A store whose connections can be told from all others. */
  function open(options?: StoreOptions): { store: Store, connections: () => Promise<number> } {
    const name = `store-${randomBytes(6).toString('hex')}`
    const store = openStore({ connection: { connectionString: database.url, application_name: name }, ...options })
    const connections = async () => (await database.sql<{ count: number }>(
      'select count(*)::int as count from pg_stat_activity where application_name = $1', [name]))[0]!.count
    return { store, connections }
  }

  describe('of a store that closes', () => {
    it('end once the calls under way have, and only then', async () => {
      const { store, connections } = open({ poolSize: 2 })
      await store.ready()
      const done: string[] = []
      const calls = Array.from({ length: 20 }, (_, at) => store.transaction(async (tx) => {
        await tx.query('select pg_sleep(0.01)')
        await tx.kv.set(`closing:${at}`, at)
      }).then(() => done.push('call')))
      const closed = store.close().then(() => done.push('closed'))
      await Promise.all([...calls, closed])
      expect(done).toEqual([...calls.map(() => 'call'), 'closed'])
      expect(await database.sql('select count(*)::int as count from nvent_kv where key like \'closing:%\'')).toEqual([{ count: 20 }])
      await expect.poll(connections).toBe(0)
    })

    it('end once, however often it closes', async () => {
      const { store } = open()
      await store.kv.get('a')
      await Promise.all([store.close(), store.close()])
      await store.close()
    })

    it('are not to be had any more: every call is refused', async () => {
      const { store } = open()
      await store.kv.get('a')
      await store.close()
      const calls = [
        store.ready(), store.transaction(async () => {}), store.stream.append('orders:1', { type: 'x' }), store.stream.read('orders:1'), store.stream.delete('orders:1'),
        store.stream.subscribe('orders:1', () => {}), store.index.add('a', 'b', 1), store.index.get('a', 'b'), store.index.read('a'), store.index.update('a', 'b', {}),
        store.index.updateWithRetry('a', 'b', {}), store.index.increment('a', 'b', 'c'), store.index.delete('a', 'b'), store.index.remove('a', 'b'),
        store.kv.get('a'), store.kv.set('a', 1), store.kv.delete('a'), store.kv.clear('a'), store.kv.increment('a'),
      ]
      expect(await Promise.all(calls.map(codeOf))).toEqual(calls.map(() => 'CLOSED'))
    })

    it('are never opened when it closes before its first call', async () => {
      const { store, connections } = open()
      await store.close()
      expect(await codeOf(store.kv.get('a'))).toBe('CLOSED')
      expect(await connections()).toBe(0)
    })

    it('end with its subscriptions and its sweep', async () => {
      const { store, connections } = open({ pollInterval: 10, sweepInterval: 10 })
      const errors: unknown[] = []
      await store.stream.subscribe('orders:1', () => {}, { onError: error => void errors.push(error) })
      await store.close()
      await expect.poll(connections).toBe(0)
      // One that had stayed would have asked the closed store by now, and told of its refusal.
      await sleep(100)
      expect(errors).toEqual([])
    })
  })

  describe('of a pool that is the caller\'s own', () => {
    it('are used and left to the caller, as they were', async () => {
      const pool = openPool(database.url)
      onFileEnd(() => pool.end())
      const listeners = () => pool.eventNames().map(name => [name, pool.listenerCount(name)])
      const before = listeners()
      const [store, second] = [openStore({ pool }), openStore({ pool, prefix: 'second' })]
      await store.kv.set('own', 1)
      await second.kv.set('own', 2)
      await store.stream.append('orders:own', { type: 'placed' })
      expect(pool.totalCount).toBeGreaterThan(0)
      // The store reads bigint and jsonb as text; the caller's queries go on as ever.
      expect((await pool.query('select \'{"a":1}\'::jsonb as json, 1::bigint as big')).rows).toEqual([{ json: { a: 1 }, big: '1' }])
      await store.close()
      expect(pool.ended).toBe(false)
      expect(await second.kv.get('own')).toBe(2)
      await second.close()
      expect(listeners()).toEqual(before)
      expect((await pool.query('select value from nvent_kv where key = \'own\'')).rows).toEqual([{ value: 1 }])
      const again = openStore({ pool })
      expect(await again.kv.get('own')).toBe(1)
      await again.close()
    })
  })

  describe('that break in a transaction', () => {
    const terminate = async (pid: unknown) => {
      await database.sql('select pg_terminate_backend($1)', [pid])
      await expect.poll(() => database.sql('select pid from pg_stat_activity where pid = $1', [pid])).toEqual([])
    }

    it.each([
      ['and its next statement', true],
      ['and its commit', false],
    ])('fail it %s, and the pool stays whole', async (_when, another) => {
      const { store, connections } = open({ poolSize: 2 })
      const broken = store.transaction(async (tx) => {
        await tx.kv.set('broken', 1)
        await terminate((await tx.query('select pg_backend_pid() as pid')).rows[0]!.pid)
        if (another) await tx.kv.set('broken', 2)
      })
      await expect(broken).rejects.toMatchObject({ name: 'StoreError', code: 'CONNECTION', retryable: true })
      const values = await Promise.all(Array.from({ length: 20 }, (_, at) => store.transaction(async (tx) => {
        await tx.kv.set(`whole:${at}`, at)
        return tx.kv.get<number>(`whole:${at}`)
      })))
      expect(values).toEqual(values.map((_, at) => at))
      expect(await store.kv.get('broken')).toBe(null)
      expect(await connections()).toBeLessThanOrEqual(2)
    })
  })

  describe('after a statement that failed', () => {
    it('hold no transaction open: all of it is rolled back', async () => {
      const { store } = open({ poolSize: 1 })
      await expect(store.transaction(async (tx) => {
        await tx.kv.set('failed', 1)
        await tx.stream.append('orders:failed', { type: 'placed' })
        await tx.query('select 1/0')
      })).rejects.toMatchObject({ name: 'StoreError', message: expect.stringContaining('division by zero') as string })
      await expect(store.transaction(async (tx) => {
        await tx.index.add('orders', 'failed', 1)
        throw new RangeError('mine')
      })).rejects.toThrow(new RangeError('mine'))
      expect([await store.kv.get('failed'), await store.stream.read('orders:failed'), await store.index.get('orders', 'failed')]).toEqual([null, [], null])
      expect(await store.transaction(async tx => (await tx.query('select txid_current_if_assigned() as id')).rows)).toEqual([{ id: null }])
    })

    it('never say that a transaction was kept which PostgreSQL has rolled back', async () => {
      const { store } = open()
      const swallowed = store.transaction(async (tx) => {
        await tx.kv.set('swallowed', 1)
        await tx.query('select 1/0').catch(() => 'never mind')
        return 'kept'
      }).then(result => result, () => 'refused')
      const result = await swallowed
      expect([result, await store.kv.get('swallowed')]).toEqual(['refused', null])
    })
  })

  describe('with statements prepared by name', () => {
    const FIELDS = [
      'type', 'status', 'scope', 'source', 'displayName', 'description', 'registeredAt', 'lastActivityAt', 'stats.totalFires', 'stats.lastFiredAt',
      'stats.totalFlowsStarted', 'stats.activeSubscribers',
    ]

    /** Every subset of the fields is a statement of its own: 4,096 of them. */
    async function useMany(store: Store): Promise<{ name: string }[]> {
      await store.index.add('nvent:triggers', 't', 1, Object.fromEntries(FIELDS.map(field => [field, /At|stats/.test(field) ? 1 : 'x'])))
      for (let shape = 0; shape < 2 ** FIELDS.length; shape += 3) {
        const patch = Object.fromEntries(FIELDS.filter((_, at) => shape & 2 ** at).map(field => [field, /At|stats/.test(field) ? 1 : 'x']))
        expect(await store.index.update('nvent:triggers', 't', patch)).toBe(true)
      }
      await store.index.remove('nvent:triggers', 't')
      return store.transaction(async tx => (await tx.query<{ name: string }>('select name from pg_prepared_statements')).rows)
    }

    it('keep no more than 500 of them, and work on beyond', async () => {
      const prepared = await useMany(open({ poolSize: 1 }).store)
      expect(prepared.length).toBeGreaterThan(100)
      expect(prepared.length).toBeLessThanOrEqual(500)
      expect(prepared.filter(({ name }) => !/^nvs_[0-9a-f]{24}$/.test(name))).toEqual([])
    })

    it('keep none when it is switched off', async () => {
      expect(await useMany(open({ poolSize: 1, prepare: false }).store)).toEqual([])
    })
  })

  describe('in a pool of one', () => {
    it('serve everything, one after the other', async () => {
      const { store, connections } = open({ poolSize: 1 })
      await Promise.all(Array.from({ length: 30 }, async (_, at) => {
        await store.stream.append(`one${at % 3}:1`, { type: 'counted', data: at })
        await store.index.add('one', String(at), at)
        await store.transaction(tx => tx.stream.append('one:tx', { type: 'counted' }))
        await store.kv.increment('one')
      }))
      expect(await store.kv.get('one')).toBe(30)
      expect(await store.stream.read('one:tx')).toHaveLength(30)
      expect(await store.stream.delete('one0:1')).toBe(true)
      expect(await connections()).toBe(1)
    })

    it('say so when a transaction waits for a call that waits for it', async () => {
      const store = openStore({ connection: { connectionString: database.url, connectionTimeoutMillis: 300 }, poolSize: 1 })
      await store.ready()
      await expect(store.transaction(() => store.kv.get('a'))).rejects.toMatchObject({ code: 'TIMEOUT', message: expect.stringContaining('poolSize') as string })
      expect(await store.kv.get('a')).toBe(null)
    })
  })

  it('are as many as poolSize says, then as connection.max says', async () => {
    const most = async (options: StoreOptions, max?: number) => {
      const name = `max-${randomBytes(6).toString('hex')}`
      const store = openStore({ connection: { connectionString: database.url, application_name: name, ...(max !== undefined && { max }) }, ...options })
      await Promise.all(Array.from({ length: 15 }, () => store.transaction(tx => tx.query('select pg_sleep(0.05)'))))
      const [row] = await database.sql<{ count: number }>('select count(*)::int as count from pg_stat_activity where application_name = $1', [name])
      await store.close()
      return row!.count
    }
    expect([await most({ poolSize: 3 }, 7), await most({}, 7), await most({})]).toEqual([3, 7, 10])
  })
})
