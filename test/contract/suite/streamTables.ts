import { describe, expect, it } from 'vitest'
import { dropStreamTable, listStreamTables } from '../../../src/runtime/core/index'
import { unique } from './context'
import type { Context, Use } from './context'

/** Names of the tables, without the prefix, that hold the events of a subject. */
async function homeOf({ sql, table, info }: Context, subject: string): Promise<string[]> {
  const rows = await sql<{ relname: string }>(
    `select distinct c.relname from ${table('events')} e join pg_catalog.pg_class c on c.oid = e.tableoid where e.subject = $1`, [subject])
  return rows.map(({ relname }) => relname.replace(`${info.prefix}_`, ''))
}

async function streamTablesOf({ sql, info }: Context): Promise<string[]> {
  const rows = await sql<{ relname: string }>(
    `select c.relname from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where n.nspname = $1 and c.relkind = 'r' and starts_with(c.relname, $2) order by 1`, [info.schema, `${info.prefix}_stream_`])
  return rows.map(({ relname }) => relname)
}

export function streamTablesSuite(use: Use): void {
  describe('tables of generic streams', () => {
    it('each subject type has a table of its own, and all of them are in the common one', async () => {
      const context = await use().openReady()
      const { store, sql, table } = context
      for (const [subject, home] of Object.entries({
        'nq:flow:abc': 'stream_flow', 'nq:trigger:abc': 'stream_trigger', 'nq:await:abc': 'stream_await', 'orders:42': 'stream_orders', 'shop:cart:1:2:3': 'stream_cart',
      })) {
        const { id } = await store.stream.append(subject, { type: 'kept', data: 1 })
        expect(await homeOf(context, subject)).toStrictEqual([home])
        expect(await sql(`select id::text, type, data from ${table(home)} where subject = $1`, [subject])).toStrictEqual([{ id, type: 'kept', data: 1 }])
        expect(await sql(`select id::text from ${table('events')} where subject = $1 order by ts desc limit 50`, [subject])).toStrictEqual([{ id }])
      }
    })

    it('two subject prefixes that end alike both keep their events', async () => {
      const { store: { stream } } = use()
      const id = unique('')
      const [a, b] = [`aa:same:${id}`, `bb:same:${id}`]
      const [first, second] = [await stream.append(a, { type: 'a' }), await stream.append(b, { type: 'b' })]
      expect(await stream.read(a)).toStrictEqual([first])
      expect(await stream.read(b)).toStrictEqual([second])
    })

    it('what does not look like a subject prefix shares one table', async () => {
      const context = use()
      for (const subject of [unique('single'), `a b:${unique()}`, `"quoted":${unique()}`, `:${unique()}`]) {
        await context.store.stream.append(subject, { type: 'shared' })
        expect(await homeOf(context, subject), subject).toStrictEqual(['events_default'])
      }
    })

    it('past the cap further subject types share one table, and nothing fails', async () => {
      const context = await use().openReady({ maxStreamTables: 2 })
      for (const type of ['a', 'b', 'c', 'd']) {
        const event = await context.store.stream.append(`${type}:1`, { type })
        expect(await context.store.stream.read(`${type}:1`)).toStrictEqual([event])
      }
      expect(await homeOf(context, 'a:1')).toStrictEqual(['stream_a'])
      expect(await homeOf(context, 'b:1')).toStrictEqual(['stream_b'])
      expect(await homeOf(context, 'c:1')).toStrictEqual(['events_default'])
      expect(await homeOf(context, 'd:1')).toStrictEqual(['events_default'])
      expect(await streamTablesOf(context)).toHaveLength(2)
    })

    it('no subject table is made when maxStreamTables is 0', async () => {
      const context = await use().openReady({ maxStreamTables: 0 })
      const event = await context.store.stream.append('nq:flow:1', { type: 'a' })
      expect(await context.store.stream.read('nq:flow:1')).toStrictEqual([event])
      expect(await streamTablesOf(context)).toStrictEqual([])
    })

    it('a transaction may be the first to use a subject type', async () => {
      const context = await use().openReady()
      const { store } = context
      const event = await store.transaction(tx => tx.stream.append('nq:flow:1', { type: 'a' }))
      expect(await store.stream.read('nq:flow:1')).toStrictEqual([event])
      await expect(store.transaction(async (tx) => {
        await tx.stream.append('nq:other:1', { type: 'a' })
        throw new Error('changed my mind')
      })).rejects.toThrow('changed my mind')
      expect(await store.stream.read('nq:other:1')).toStrictEqual([])
      const second = await store.stream.append('nq:other:1', { type: 'b' })
      expect(await store.stream.read('nq:other:1')).toStrictEqual([second])
    })
  })

  describe('retention by SQL', () => {
    async function filled(): Promise<Context> {
      const context = await use().openReady()
      for (const data of [1, 2, 3]) await context.store.stream.append('nq:flow:1', { type: 'kept', data })
      await context.store.stream.append('nq:trigger:1', { type: 'kept', data: 4 })
      return context
    }
    const dataOf = async ({ store }: Context, subject: string) => (await store.stream.read(subject)).map(event => event.data)

    it('delete by created_at removes old events of one subject type only', async () => {
      const context = await filled()
      const { sql, table } = context
      await sql(`update ${table('events')} set created_at = now() - interval '31 days' where data < '3'`)
      await sql(`update ${table('events')} set created_at = now() - interval '31 days' where data = '4'`)
      await sql(`DELETE FROM ${table('stream_flow')} WHERE created_at < NOW() - INTERVAL '30 days'`)
      expect(await dataOf(context, 'nq:flow:1')).toStrictEqual([3])
      expect(await dataOf(context, 'nq:trigger:1')).toStrictEqual([4])
      await context.store.stream.append('nq:flow:1', { type: 'kept', data: 5 })
      expect(await dataOf(context, 'nq:flow:1')).toStrictEqual([3, 5])
    })

    it('a position that was removed still is a position', async () => {
      const context = await filled()
      const [first, second, third] = await context.store.stream.read('nq:flow:1')
      await context.sql(`delete from ${context.table('stream_flow')} where id = any($1::bigint[])`, [[first!.id, second!.id]])
      expect(await context.store.stream.read('nq:flow:1', { after: second!.id })).toStrictEqual([third])
      expect(await context.store.stream.read('nq:flow:1', { before: second!.id })).toStrictEqual([])
      expect(await context.store.stream.read('nq:flow:1', { after: '0' })).toStrictEqual([third])
    })

    it('truncate empties one subject type, and appending goes on', async () => {
      const context = await filled()
      await context.sql(`TRUNCATE ${context.table('stream_flow')}`)
      expect(await dataOf(context, 'nq:flow:1')).toStrictEqual([])
      expect(await dataOf(context, 'nq:trigger:1')).toStrictEqual([4])
      expect(await context.store.stream.delete('nq:flow:1')).toBe(false)
      const event = await context.store.stream.append('nq:flow:1', { type: 'kept', data: 5 })
      expect(await context.store.stream.read('nq:flow:1')).toStrictEqual([event])
    })

    it('drop table removes one subject type, and appending makes the table again', async () => {
      const context = await filled()
      await context.sql(`drop table ${context.table('stream_flow')}`)
      expect(await dataOf(context, 'nq:flow:1')).toStrictEqual([])
      await context.store.stream.append('nq:flow:1', { type: 'kept', data: 5 })
      expect(await dataOf(context, 'nq:flow:1')).toStrictEqual([5])
      expect(await homeOf(context, 'nq:flow:1')).toStrictEqual(['stream_flow'])
      expect(await dataOf(context, 'nq:trigger:1')).toStrictEqual([4])
      await context.sql(`drop table ${context.table('stream_flow')}`)
      expect(await context.store.stream.delete('nq:flow:1')).toBe(false)
    })

    it('listStreamTables says which subject prefix each table is for, and dropStreamTable drops one', async ({ skip }) => {
      const context = await filled()
      const { pool, info } = context
      if (!pool) return skip('needs a pool: the database is embedded')
      const tables = [
        { subjectPrefix: 'nq:flow', tableName: `${info.prefix}_stream_flow` },
        { subjectPrefix: 'nq:trigger', tableName: `${info.prefix}_stream_trigger` },
      ]
      expect(await listStreamTables(pool, info.prefix, info.schema)).toStrictEqual(tables)
      await dropStreamTable(pool, info.prefix, 'nq:flow', info.schema)
      expect(await listStreamTables(pool, info.prefix, info.schema)).toStrictEqual([tables[1]])
      expect(await dataOf(context, 'nq:flow:1')).toStrictEqual([])
      expect(await dataOf(context, 'nq:trigger:1')).toStrictEqual([4])
      const event = await context.store.stream.append('nq:flow:1', { type: 'again' })
      expect(await context.store.stream.read('nq:flow:1')).toStrictEqual([event])
      expect(await listStreamTables(pool, info.prefix, info.schema)).toStrictEqual(tables)
    })
  })
}
