import { PGlite } from '@electric-sql/pglite'
import { sql as drizzleSql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { pgTable, text } from 'drizzle-orm/pg-core'
import { CamelCasePlugin, Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { beforeAll, describe, expect, expectTypeOf, it } from 'vitest'
import type { Store } from '../../src/runtime/core/types'
import type { TransactionClient, TransactionApi } from '../../src/runtime/core/transaction/types'
import { freshDatabase, onFileEnd, openStore } from '../setup/database'
import type { Database } from '../setup/database'
import { openPool, servers } from './servers'

interface Tables {
  invoice: { number_text: string }
}
const invoices = pgTable('invoice', { number: text('number_text').primaryKey() })

class Undone extends Error {}

describe.each(servers)('transactions of other libraries on $name', ({ server }) => {
  let database: Database
  let store: Store
  let pool: pg.Pool

  beforeAll(async () => {
    database = await freshDatabase(server)
    store = openStore({ connection: database.url })
    await store.ready()
    pool = openPool(database.url)
    onFileEnd(() => pool.end())
    await database.sql('create table invoice (number_text text primary key)')
  })

  /** Each opens a transaction its own way, writes a row of its own, and gives what `with` takes. */
  const libraries: [name: string, run: (number: string, work: (tx: TransactionApi) => Promise<unknown>) => Promise<unknown>][] = [
    ['pg', async (number, work) => {
      const client = await pool.connect()
      try {
        await client.query('begin')
        await client.query('insert into invoice values ($1)', [number])
        const result = await work(store.with(client))
        await client.query('commit')
        return result
      }
      catch (error) {
        await client.query('rollback')
        throw error
      }
      finally {
        client.release()
      }
    }],
    ['drizzle', (number, work) => drizzle(pool).transaction(async (tx) => {
      await tx.insert(invoices).values({ number })
      return work(store.with(tx))
    })],
    ['drizzle, nested', (number, work) => drizzle(pool).transaction(tx => tx.transaction(async (inner) => {
      await inner.insert(invoices).values({ number })
      return work(store.with(inner))
    }))],
    ['kysely', (number, work) => kysely().transaction().execute(async (trx) => {
      await trx.insertInto('invoice').values({ number_text: number }).execute()
      return work(store.with(trx))
    })],
    ['kysely with plugins', (number, work) => kysely().withPlugin(new CamelCasePlugin()).transaction().execute(async (trx) => {
      await trx.insertInto('invoice').values({ number_text: number }).execute()
      return work(store.with(trx))
    })],
    ['kysely, controlled', async (number, work) => {
      const trx = await kysely().startTransaction().execute()
      try {
        await trx.insertInto('invoice').values({ number_text: number }).execute()
        const result = await work(store.with(trx))
        await trx.commit().execute()
        return result
      }
      catch (error) {
        await trx.rollback().execute()
        throw error
      }
    }],
    ['a wrapper of one\'s own around a client that parses bigint', async (number, work) => {
      const client = new pg.Client({
        connectionString: database.url,
        types: { getTypeParser: ((oid: number, format?: 'text') => oid === 20 ? BigInt : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser },
      })
      await client.connect()
      try {
        await client.query('begin')
        await client.query('insert into invoice values ($1)', [number])
        const result = await work(store.with({ query: (sql, values) => client.query(sql, values) }))
        await client.query('commit')
        return result
      }
      finally {
        await client.end()
      }
    }],
  ]

  const kysely = () => new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) })
  const invoicesOf = async (number: string) => database.sql('select * from invoice where number_text = $1', [number])

  /** Something of every tier, with values that parsers of JSON and bigint would change. */
  async function writeAndRead({ stream, index, kv, query }: TransactionApi, name: string) {
    await stream.append(`orders:${name}`, { type: 'placed', data: null, attempt: 2 ** 40, stepName: 'null', more: { a: [1, null] } }, { eventId: 'one', meta: { actor: 'ada' } })
    await stream.append(`orders:${name}`, { type: 'placed again' }, { eventId: 'one' })
    await stream.append(`nvent:flow:run:${name}`, { type: 'started', runId: name, data: '{"text": 1}' }, { expectedVersion: 'no-stream' })
    await stream.appendAll([{ subject: `orders:${name}`, events: [{ type: 'paid', data: 0 }], expectedVersion: 1 }, { subject: `a-${name}`, events: [{ type: 'x' }] }])
    await index.add('nvent:flows', name, 2 ** 53 - 1, { displayName: 'true', registeredAt: '2026-01-01T00:00:00.000Z', stats: { total: 1 }, free: null })
    await index.update('nvent:flows', name, { lastRunAt: 5, extra: { 'a.b': 1 } })
    await index.increment('nvent:flows', name, 'stats.total', 2)
    await kv.setMany([{ key: `${name}:null`, value: null }, { key: `${name}:text`, value: 'null' }, { key: `${name}:list`, value: [1] }])
    await kv.increment(`${name}:count`, 3)
    expect((await query('select $1::text as name, $2::jsonb as list', [name, '[1]'])).rows).toEqual([{ name, list: [1] }])
    return read({ stream, index, kv }, name)
  }

  async function read({ stream, index, kv }: Pick<TransactionApi, 'stream' | 'index' | 'kv'>, name: string) {
    return [
      await stream.read(`orders:${name}`), await stream.read(`nvent:flow:run:${name}`), await stream.current(`orders:${name}`), await stream.list({ glob: `*${name}` }),
      await index.get('nvent:flows', name), await index.readPage('nvent:flows', { filter: { displayName: 'true' }, limit: 1 }), await index.count('nvent:flows', { 'stats.total': 3 }),
      await kv.getMany([`${name}:null`, `${name}:text`, `${name}:list`, `${name}:count`]), await kv.list({ glob: `${name}:*` }), await kv.clear(`${name}:none*`),
    ]
  }

  it.each(libraries)('%s: everything is kept together, and comes back as it does from the store', async (name, run) => {
    const number = `kept-${name}`
    const seen = await run(number, tx => writeAndRead(tx, number))
    const expected = await read(store, number)
    expect(seen).toStrictEqual(expected)
    expect(expected[0]).toHaveLength(2)
    expect(expected[7]).toEqual([null, 'null', [1], 3])
    expect(await invoicesOf(number)).toHaveLength(1)
    for (const key of await store.index.read('nvent:flows')) await store.index.delete('nvent:flows', key.id)
  })

  it.each(libraries)('%s: nothing is kept when the caller rolls back', async (name, run) => {
    const number = `undone-${name}`
    await expect(run(number, async (tx) => {
      await writeAndRead(tx, number)
      throw new Undone()
    })).rejects.toBeInstanceOf(Undone)
    const [orders, flow, current, , entry] = await read(store, number)
    expect([orders, flow, current, entry]).toEqual([[], [], null, null])
    expect(await invoicesOf(number)).toEqual([])
  })

  it.each(libraries)('%s: a failure of PostgreSQL is a StoreError with its SQLSTATE', async (name, run) => {
    await expect(run(`failed-${name}`, tx => tx.query('select 1 / 0'))).rejects.toMatchObject({ name: 'StoreError', details: { sqlState: '22012' } })
  })

  it('what is no transaction is refused', () => {
    expect(() => store.with(pool)).toThrow(/is a pool/)
    expect(() => store.with(drizzle(pool) as never)).toThrow(/is a pool/)
    expect(() => store.with(kysely() as never)).toThrow(/without a transaction/)
  })

  it('SQL of Drizzle sees what the store wrote in the same transaction', async () => {
    await drizzle(pool).transaction(async (tx) => {
      await store.with(tx).kv.set('seen', 1)
      const { rows } = await tx.execute(drizzleSql`select value from nvent_kv where key = ${'seen'}`)
      expect(rows).toEqual([{ value: 1 }])
      await store.with(tx).kv.delete('seen')
    })
  })

  it('the types take them all', () => {
    type Drizzle = Parameters<Parameters<ReturnType<typeof drizzle>['transaction']>[0]>[0]
    type KyselyTransaction = Parameters<Parameters<ReturnType<Kysely<Tables>['transaction']>['execute']>[0]>[0]
    expectTypeOf<pg.Client>().toExtend<TransactionClient>()
    expectTypeOf<pg.PoolClient>().toExtend<TransactionClient>()
    expectTypeOf<Drizzle>().toExtend<TransactionClient>()
    expectTypeOf<KyselyTransaction>().toExtend<TransactionClient>()
    expectTypeOf<TransactionApi>().toExtend<TransactionClient>()
    expectTypeOf<Parameters<Parameters<PGlite['transaction']>[0]>[0]>().toExtend<TransactionClient>()
    expectTypeOf<Kysely<Tables>>().not.toExtend<TransactionClient>()
    expectTypeOf<{ execute(): void }>().not.toExtend<TransactionClient>()
  })
})

it('a transaction of PGlite works, too', async () => {
  const database = await PGlite.create()
  const store = openStore({ connection: 'pglite://memory' })
  await store.ready()
  await database.transaction(async (tx) => {
    await expect(store.with(tx).query('select 1 as one')).resolves.toEqual({ rows: [{ one: 1 }], rowCount: 1 })
  })
  await database.close()
})
