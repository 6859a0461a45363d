import type { Pool } from 'pg'
import { beforeEach, describe, expect, it } from 'vitest'
import { fromPool } from '../../src/runtime/core/db/pg/pg'
import { getCurrentVersion, migrations, rollbackTo, runMigrations } from '../../src/runtime/core/schema/api'
import { migrate, rollback } from '../../src/runtime/core/schema/migrate'
import { freshDatabase, openStore } from '../setup/database'
import type { Database } from '../setup/database'
import { namesIn } from './catalog'
import { openPool, servers } from './servers'
import { step, table } from './steps'

const LATEST = migrations.length
const names = { schema: 'app', prefix: 'n' }

describe.each(servers)('migrations that are taken back on $name', ({ server }) => {
  let database: Database
  let pool: Pool

  beforeEach(async () => {
    database = await freshDatabase(server)
    pool = openPool(database.url)
    return () => pool.end()
  })

  const db = () => fromPool(pool)
  const version = () => getCurrentVersion(pool, names.prefix, names.schema)
  const inSchema = () => namesIn(database.sql, names.schema)

  it('go step by step, newest first, and can be run again', async () => {
    const three = [table(1), table(2), table(3)]
    await migrate(db(), names, three)
    await rollback(db(), names, 1, three)
    expect(await version()).toBe(1)
    expect(await inSchema()).toEqual(['n_1', 'n_schema_version', 'n_schema_version_pkey'])
    await rollback(db(), names, 1, three)
    await rollback(db(), names, 3, three)
    expect(await version()).toBe(1)
    expect(await migrate(db(), names, three)).toEqual({ version: 3, applied: 2 })
    await rollback(db(), names, 0, three)
    expect([await version(), await inSchema()]).toEqual([0, []])
  })

  it('stop at one that has no way back, and leave nothing of one that fails', async () => {
    const oneWay = [table(1), step(2, 'select 1'), table(3)]
    await migrate(db(), names, oneWay)
    await expect(rollback(db(), names, 0, oneWay)).rejects.toMatchObject({ code: 'MIGRATION_FAILED', message: expect.stringMatching(/migration 2 .*no way back/) as string })
    expect(await version()).toBe(2)
    const failing = [table(1), step(2, 'select 1', 'drop table "{schema}"."{prefix}_1"; select 1/0')]
    await expect(rollback(db(), names, 0, failing)).rejects.toMatchObject({ code: 'MIGRATION_FAILED' })
    expect(await inSchema()).toEqual(['n_1', 'n_schema_version', 'n_schema_version_pkey'])
  })

  it.each([-1, 0.5, Number.NaN, '0' as unknown as number])('refuse %s as a version', async (target) => {
    await expect(rollbackTo(pool, 'nvent', target)).rejects.toMatchObject({ code: 'INVALID_VALUE', details: { argument: 'version' } })
  })

  it('to 0 leave nothing of the prefix, and the other prefixes of the schema working', async () => {
    const before = await namesIn(database.sql, 'public')
    const second = openStore({ connection: database.url, prefix: 'second' })
    const first = openStore({ connection: database.url, prefix: 'first' })
    await first.ready()
    const firstOnly = await namesIn(database.sql, 'public')
    for (const [prefix, store] of [['first', first], ['second', second]] as const) {
      await store.stream.append('orders:1', { type: 'placed', data: prefix })
      await store.index.add(`${prefix}:triggers`, 't', 1, { subscriptions: { a: 1 } })
    }
    await first.close()
    await rollbackTo(pool, 'first', 0)
    const left = await namesIn(database.sql, 'public')
    expect(left.filter(name => name.includes('first'))).toEqual([])
    expect(left).toContain('second_stream_orders')
    expect(firstOnly).toContain('jsonb_deep_merge')

    await second.index.update('second:triggers', 't', { subscriptions: { b: { c: 2 } } })
    expect((await second.index.get('second:triggers', 't'))?.metadata).toEqual({ version: 1, subscriptions: { a: 1, b: { c: 2 } } })
    await second.stream.append('orders:1', { type: 'paid' })
    expect(await second.stream.read('orders:1')).toHaveLength(2)
    await second.close()
    await rollbackTo(pool, 'second', 0)
    expect(await namesIn(database.sql, 'public')).toEqual(before)
    expect(await runMigrations(pool, 'first')).toEqual({ version: LATEST, applied: LATEST })
  })

  it('leave the documented jsonb_deep_merge to the prefixes that are still there', async () => {
    await runMigrations(pool, 'first')
    await runMigrations(pool, 'second')
    await rollbackTo(pool, 'first', 0)
    expect(await database.sql('select jsonb_deep_merge(\'{"a":{"x":1}}\', \'{"a":{"y":2}}\') as merged')).toEqual([{ merged: { a: { x: 1, y: 2 } } }])
    await rollbackTo(pool, 'second', 0)
    expect(await database.sql('select to_regprocedure(\'jsonb_deep_merge(jsonb, jsonb)\') as found')).toEqual([{ found: null }])
  })
})
