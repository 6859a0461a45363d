/** Rows that another transaction holds locked: calls on them wait, and calls on other keys go on. */
import { beforeAll, describe, expect, it } from 'vitest'
import type { StoreOptions } from '../../src/runtime/core/options/types'
import type { Store } from '../../src/runtime/core/types'
import { freshDatabase, openStore } from '../setup/database'
import type { Database } from '../setup/database'
import { servers } from './servers'

interface Tier {
  make(store: Store, key: string): Promise<unknown>
  /** Locks the row of a key that was made; `$1` is the key. */
  lock: string
  calls: Record<string, (store: Store, key: string) => Promise<unknown>>
}

const tiers: Record<string, Tier> = {
  kv: {
    make: ({ kv }, key) => kv.set(key, 1),
    lock: 'select 1 from nvent_kv where key = $1 for update',
    calls: {
      set: ({ kv }, key) => kv.set(key, 2),
      increment: ({ kv }, key) => kv.increment(key),
      setMany: ({ kv }, key) => kv.setMany([{ key, value: 3 }]),
      delete: ({ kv }, key) => kv.delete(key),
      clear: ({ kv }, key) => kv.clear(key),
    },
  },
  index: {
    make: ({ index }, key) => index.add('things', key, 1, { n: 1 }),
    lock: 'select 1 from nvent_index where id = $1 for update',
    calls: {
      add: ({ index }, key) => index.add('things', key, 2, { n: 2 }),
      update: ({ index }, key) => index.update('things', key, { m: 1 }),
      increment: ({ index }, key) => index.increment('things', key, 'n'),
      delete: ({ index }, key) => index.delete('things', key),
    },
  },
  stream: {
    make: ({ stream }, key) => stream.append(key, { type: 'first' }),
    lock: 'select 1 from nvent_heads where subject = $1 for update',
    calls: {
      append: ({ stream }, key) => stream.append(key, { type: 'x' }),
      appendMany: ({ stream }, key) => stream.appendMany(key, [{ type: 'x' }, { type: 'y' }]),
      archive: ({ stream }, key) => stream.archive(key),
      delete: ({ stream }, key) => stream.delete(key),
    },
  },
}

describe.each(servers)('rows that others hold locked on $name', ({ server }) => {
  let database: Database

  beforeAll(async () => {
    database = await freshDatabase(server)
    await openStore({ connection: database.url }).ready()
  })

  const codeOf = (call: Promise<unknown>) => call.then(() => undefined, (error: { code: string }) => error.code)

  const keysOf = (prefix: string, count: number) => Array.from({ length: count }, (_, at) => `${prefix}:${at}`)

  async function open(options: StoreOptions & { connectionTimeoutMillis?: number }): Promise<{ store: Store, waiting: () => Promise<number> }> {
    const { connectionTimeoutMillis = 60_000, ...given } = options
    const name = `locks-${Math.random().toString(36).slice(2)}`
    const store = openStore({ connection: { connectionString: database.url, application_name: name, connectionTimeoutMillis }, poolSize: 10, ...given })
    await store.ready()
    const waiting = async () => (await database.sql<{ count: number }>(
      'select count(*)::int as count from pg_stat_activity where application_name = $1 and wait_event_type = \'Lock\'', [name]))[0]!.count
    return { store, waiting }
  }

  async function locked<T>(lock: string, keys: string[], work: () => Promise<T>): Promise<T> {
    const client = await database.pool.connect()
    try {
      await client.query('begin')
      for (const key of keys) await client.query(lock, [key])
      return await work()
    }
    finally {
      await client.query('rollback')
      client.release()
    }
  }

  describe.each([true, false])('with batching: %s', (batching) => {
    it.each(Object.entries(tiers))('do not stop calls on other keys: %s', async (name, { make, lock, calls }) => {
      const { store, waiting } = await open({ batching })
      for (const [call, run] of Object.entries(calls)) {
        for (const count of [6, 8]) {
          const [stuck, free] = [keysOf(`${name}:${call}:${count}:${batching}:stuck`, count), keysOf(`${name}:${call}:${count}:${batching}:free`, 40)]
          await Promise.all([...stuck, ...free].map(key => make(store, key)))
          const late: Promise<string | undefined>[] = []
          await locked(lock, stuck, async () => {
            for (const [at, key] of stuck.entries()) {
              late.push(codeOf(run(store, key)))
              await expect.poll(waiting).toBe(at + 1)
            }
            // Later calls on the same keys wait behind them, and take no connection.
            late.push(...stuck.flatMap(key => Object.values(calls).map(again => codeOf(again(store, key)))))
            // The lock is released when these have answered, and not before.
            await Promise.all(free.map(key => run(store, key)))
            for (const other of Object.values(tiers)) await other.make(store, `${call}:${count}:other`)
            expect(await waiting()).toBe(count)
          })
          const codes = (await Promise.all(late)).filter(code => code !== undefined)
          expect(codes.filter(code => !['NOT_FOUND', 'ARCHIVED'].includes(code))).toEqual([])
        }
      }
    }, 240_000)

    it('leave one connection to the other tiers, however few there are', async () => {
      for (const poolSize of [2, 3]) {
        const { store, waiting } = await open({ batching, poolSize })
        const { make, lock, calls } = tiers.kv!
        const stuck = keysOf(`few:${batching}:${poolSize}`, 12)
        await Promise.all(stuck.map(key => make(store, key)))
        const late: Promise<unknown>[] = []
        await locked(lock, stuck, async () => {
          late.push(...stuck.map(key => calls.set!(store, key)))
          await expect.poll(waiting).toBeGreaterThan(0)
          await store.stream.append('orders:1', { type: 'placed' })
          expect(await store.index.get('orders', 'none')).toBeNull()
          expect(await waiting()).toBeLessThan(poolSize)
        })
        await Promise.all(late)
      }
    })

    it('leave one connection to the other tiers, and calls that get none say so after `connectionTimeoutMillis`', async () => {
      const { store, waiting } = await open({ batching, connectionTimeoutMillis: 1_000 })
      const { make, lock, calls } = tiers.kv!
      const stuck = keysOf(`all:${batching}`, 12)
      await Promise.all(stuck.map(key => make(store, key)))
      const late: Promise<unknown>[] = []
      await locked(lock, stuck, async () => {
        for (const [at, key] of stuck.slice(0, 9).entries()) {
          late.push(calls.set!(store, key))
          await expect.poll(waiting).toBe(at + 1)
        }
        const refused = await Promise.allSettled([...stuck.slice(9), `all:${batching}:free`].map(key => calls.set!(store, key)))
        for (const outcome of refused) {
          expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'TIMEOUT', retryable: true, message: expect.stringContaining('9 calls before this one wait') } })
        }
        await tiers.stream!.make(store, `all:${batching}:other`)
        await tiers.index!.make(store, `all:${batching}:other`)
      })
      await Promise.all(late)
      await make(store, `all:${batching}:free`)
    }, 60_000)
  })
})
