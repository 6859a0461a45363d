import { randomBytes } from 'node:crypto'
import type { Pool } from 'pg'
import { beforeEach, describe, expect, it } from 'vitest'
import { listStreamTables, rollbackTo, runMigrations } from '../../src/runtime/core/schema/api'
import type { StoreOptions } from '../../src/runtime/core/options/types'
import { administer, freshDatabase, onFileEnd, openStore, serverUrl } from '../setup/database'
import type { Database } from '../setup/database'
import { everything, namesIn } from './catalog'
import { useAll } from './calls'
import { openPool, servers } from './servers'

const SCHEMA = 'own'

describe.each(servers)('a role without rights of an owner on $name', ({ server }) => {
  let database: Database
  let role: string
  let url: string

  beforeEach(async () => {
    const [name, password] = [`app_${randomBytes(6).toString('hex')}`, randomBytes(12).toString('hex')]
    await administer(server, [`create role ${name} login password '${password}'`])
    onFileEnd(() => administer(server, [`drop role ${name}`]))
    role = name
    database = await freshDatabase(server)
    url = serverUrl(server, { database: database.name, user: role, password })
    // As most hosts set it up.
    await database.sql(`revoke all on database "${database.name}" from public`)
    await database.sql(`grant connect on database "${database.name}" to ${role}`)
    await database.sql('revoke create on schema public from public')
  })

  const open = (options?: StoreOptions) => openStore({ connection: url, schema: SCHEMA, ...options })

  async function withPool<T>(connectionString: string, work: (pool: Pool) => Promise<T>): Promise<T> {
    const pool = openPool(connectionString)
    return await work(pool).finally(() => pool.end())
  }

  it('needs nothing but a schema of its own', async () => {
    await database.sql(`create schema ${SCHEMA} authorization ${role}`)
    const [rights] = await database.sql(
      `select has_database_privilege($1, current_database(), 'create') as creates, has_database_privilege($1, current_database(), 'temp') as temp,
        has_schema_privilege($1, 'public', 'create') as public, rolsuper, rolcreaterole, rolcreatedb from pg_roles where rolname = $1`, [role])
    expect(Object.values(rights!)).toEqual([false, false, false, false, false, false])
    const outside = await namesIn(database.sql, 'public')

    const store = open()
    await useAll(store)
    await store.close()
    expect(await namesIn(database.sql, 'public')).toEqual(outside)
    await withPool(url, async (pool) => {
      expect(await listStreamTables(pool, 'nvent', SCHEMA)).toEqual([{ subjectPrefix: 'orders', tableName: 'nvent_stream_orders' }])
      await rollbackTo(pool, 'nvent', 0, SCHEMA)
    })
    expect(await namesIn(database.sql, SCHEMA)).toEqual([])
  })

  it('is told so when it may not create the schema, and nothing is left behind', async () => {
    const before = await everything(database.sql)
    await expect(open().ready()).rejects.toMatchObject({
      code: expect.stringMatching(/^(DATABASE|MIGRATION_FAILED)$/) as string, message: expect.stringContaining('permission denied') as string, details: { sqlState: '42501' },
    })
    expect(await everything(database.sql)).toEqual(before)
  })

  describe('but to read and write', () => {
    beforeEach(async () => {
      await withPool(database.url, pool => runMigrations(pool, 'nvent', SCHEMA))
      await database.sql(`grant usage on schema ${SCHEMA} to ${role}`)
      await database.sql(`grant select, insert, update, delete on all tables in schema ${SCHEMA} to ${role}`)
      await database.sql(`grant select, usage on all sequences in schema ${SCHEMA} to ${role}`)
    })

    it('works with autoMigrate off, and generic events are kept in the default partition', async () => {
      const before = await everything(database.sql)
      const warned: string[] = []
      const logger = { info: () => {}, warn: (message: string) => void warned.push(message), error: (message: string) => void warned.push(message) }
      await useAll(open({ autoMigrate: false, logger }))
      expect(await database.sql(`select distinct tableoid::regclass::text as name from ${SCHEMA}.nvent_events`)).toEqual([{ name: `${SCHEMA}.nvent_events_default` }])
      expect(await everything(database.sql)).toEqual(before)
      expect(warned).toEqual([])
    })

    it('works with autoMigrate on as long as there is nothing to migrate, and is warned once a subject prefix', async () => {
      const before = await everything(database.sql)
      const warned: string[] = []
      const store = open({ logger: { info: () => {}, warn: message => void warned.push(message), error: message => void warned.push(message) } })
      await useAll(store)
      expect(warned).toEqual([expect.stringMatching(/events of orders:\* stay in .*nvent_events_default.*permission denied/)])
      await store.stream.append('invoices:1', { type: 'sent' })
      await store.stream.append('orders:3', { type: 'counted' })
      expect(warned).toHaveLength(2)
      expect(await database.sql(`select distinct tableoid::regclass::text as name from ${SCHEMA}.nvent_events`)).toEqual([{ name: `${SCHEMA}.nvent_events_default` }])
      expect(await everything(database.sql)).toEqual(before)
    })

    it('reads and writes the stream tables its owner has made', async () => {
      const owner = openStore({ connection: database.url, schema: SCHEMA })
      await owner.stream.append('orders:1', { type: 'placed' })
      await database.sql(`grant select, insert, update, delete on all tables in schema ${SCHEMA} to ${role}`)
      const store = open({ autoMigrate: false })
      await store.stream.append('orders:1', { type: 'paid' })
      expect((await store.stream.read('orders:1')).map(({ type }) => type)).toEqual(['placed', 'paid'])
      expect(await store.stream.delete('orders:1')).toBe(true)
      expect(await owner.stream.read('orders:1')).toEqual([])
    })

    it('works on when its owner makes a stream table later, without rights on that table', async () => {
      const store = open({ autoMigrate: false })
      await store.stream.append('orders:1', { type: 'placed' })
      const owner = openStore({ connection: database.url, schema: SCHEMA })
      await owner.stream.append('orders:1', { type: 'paid' })
      expect(await namesIn(database.sql, SCHEMA)).toContain('nvent_stream_orders')
      await store.stream.append('orders:1', { type: 'sent' })
      expect((await store.stream.read('orders:1')).map(({ type }) => type)).toEqual(['placed', 'paid', 'sent'])
      // One that starts now finds the table in the catalog.
      const later = open({ autoMigrate: false })
      await later.stream.append('orders:1', { type: 'received' })
      expect((await later.stream.read('orders:1')).map(({ type }) => type)).toEqual(['placed', 'paid', 'sent', 'received'])
    })
  })
})
