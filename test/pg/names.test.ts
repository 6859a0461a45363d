import type { Pool } from 'pg'
import { beforeAll, describe, expect, it } from 'vitest'
import { dropStreamTable, getCurrentVersion, listStreamTables, migrations, rollbackTo, runMigrations } from '../../src/runtime/core/schema/api'
import type { Store } from '../../src/runtime/core/types'
import { freshDatabase, onFileEnd, openStore } from '../setup/database'
import type { Database } from '../setup/database'
import { namesIn } from './catalog'
import { openPool, servers } from './servers'

// Each pair a schema and a prefix: whatever PostgreSQL can hold in quotes is a legal name.
const NAMES: [schema: string, prefix: string][] = [
  ['my "schema"', 'my "prefix"'],
  ['o\'brien', 'it\'s'],
  ['nq-test', 'nq-test'],
  ['MixedCase', 'MixedCase'],
  ['😀 schema', '🐘'],
  ['$1', '$&'],
  ['$nvent$', '$nvent$'],
  ['a$$b', '$$'],
  ['{prefix}', '{schema}'],
  ['with space', ' '],
  ['select', 'table'],
  ['dots.in.it', 'a.b'],
  ['back\\slash', 'x\\y'],
  ['%s %', '_%'],
  ['semi;colon', '--'],
  ['(round)', '/*'],
  ['line\nbreak', 'tab\t'],
  ['"', '\''],
  ['s'.repeat(63), 'p'.repeat(32)],
]

/** A bit of everything: all three tiers, a stream table, a merge, a transaction. */
async function useAll(store: Store, subjectPrefix: string): Promise<void> {
  const run = `${subjectPrefix}:flow:run:r`
  await store.stream.append(run, { type: 'started', runId: 'r', flowName: 'f', data: { a: 1 } })
  await store.stream.append('orders:1', { type: 'placed', data: [1] })
  await store.stream.append('no prefix', { type: 'noted' })
  expect(await store.stream.read(run, { after: '0', types: ['started'] })).toMatchObject([{ type: 'started', flowName: 'f', data: { a: 1 } }])
  expect(await store.stream.read('orders:1')).toMatchObject([{ type: 'placed', data: [1] }])
  await store.index.add(`${subjectPrefix}:triggers`, 't', 1, { type: 'event', subscriptions: { a: 1 }, other: { x: 1 } })
  await store.index.update(`${subjectPrefix}:triggers`, 't', { subscriptions: { b: 2 }, other: { y: { z: 1 } } })
  expect(await store.index.increment(`${subjectPrefix}:triggers`, 't', 'stats.totalFires')).toBe(1)
  expect(await store.index.read(`${subjectPrefix}:triggers`, { filter: { type: 'event' } })).toEqual([{ id: 't', score: 1, metadata: {
    version: 2, type: 'event', subscriptions: { a: 1, b: 2 }, other: { x: 1, y: { z: 1 } }, stats: { totalFires: 1 },
  } }])
  await store.transaction(async (tx) => {
    await tx.kv.set('a', 1)
    await tx.kv.increment('a')
  })
  expect(await store.kv.get('a')).toBe(2)
  expect(await store.kv.clear('*')).toBe(1)
  expect(await store.stream.delete(run)).toBe(true)
}

// PostgreSQL names the indexes of partitions itself: it shortens table and columns to fit, and keeps names apart.
const SHORTENED = 29

describe.each(servers)('names on $name', ({ server }) => {
  let database: Database
  let pool: Pool

  beforeAll(async () => {
    database = await freshDatabase(server)
    pool = openPool(database.url)
    onFileEnd(() => pool.end())
  })

  it.each(NAMES)('schema %j with prefix %j is migrated, works, and goes again', async (schema, prefix) => {
    const store = openStore({ connection: database.url, schema, prefix, subjectPrefix: 'nvent' })
    await useAll(store, 'nvent')
    expect(await getCurrentVersion(pool, prefix, schema)).toBe(migrations.length)
    expect(await listStreamTables(pool, prefix, schema)).toEqual([{ subjectPrefix: 'orders', tableName: `${prefix}_stream_orders` }])

    const made = await namesIn(database.sql, schema)
    expect(made).toEqual(expect.arrayContaining([
      `${prefix}_kv`, `${prefix}_events_id_seq`, `${prefix}_merge_patch`, `${prefix}_stream_orders`, `idx_${prefix}_scheduler_jobs_next_run`,
    ]))
    expect(made.filter(name => !name.includes(prefix.slice(0, SHORTENED)) && name !== 'jsonb_deep_merge')).toEqual([])
    expect(await namesIn(database.sql, 'public')).toEqual([])

    expect(await runMigrations(pool, prefix, schema)).toMatchObject({ applied: 0 })
    expect(await dropStreamTable(pool, prefix, 'orders', schema)).toBe(true)
    await store.close()
    await rollbackTo(pool, prefix, 0, schema)
    expect(await namesIn(database.sql, schema)).toEqual([])
  })

  it('stay apart: names that differ in case only, and one that begins like another', async () => {
    const prefixes = ['app', 'App', 'APP', 'app_stream', 'app_events']
    const stores = prefixes.map(prefix => openStore({ connection: database.url, schema: 'apart', prefix, subjectPrefix: 'nvent' }))
    for (const [at, store] of stores.entries()) {
      await store.kv.set('who', prefixes[at])
      await store.stream.append('orders:1', { type: 'placed', data: prefixes[at] })
    }
    for (const [at, store] of stores.entries()) {
      expect(await store.kv.get('who')).toBe(prefixes[at])
      expect((await store.stream.read('orders:1')).map(event => event.data as string)).toEqual([prefixes[at]])
      expect(await listStreamTables(pool, prefixes[at]!, 'apart')).toHaveLength(1)
    }
  })

  it('come up together: many prefixes that start at once in a schema that is not there', async () => {
    const prefixes = Array.from({ length: 6 }, (_, at) => `p${at}`)
    const stores = prefixes.map(prefix => openStore({ connection: database.url, schema: 'together', prefix, poolSize: 2 }))
    const infos = await Promise.all(stores.map(store => store.ready()))
    expect(infos.map(({ applied }) => applied)).toEqual(prefixes.map(() => migrations.length))
    await Promise.all(stores.map((store, at) => useAll(store, prefixes[at]!)))
    const helpers = (await namesIn(database.sql, 'together')).filter(name => name === 'jsonb_deep_merge')
    expect(helpers).toHaveLength(1)
  })

  it.each([
    ['an empty prefix', { prefix: '' }, 'prefix'],
    ['a prefix of 33 bytes', { prefix: 'é'.repeat(17) }, 'prefix'],
    ['a prefix with \\u0000', { prefix: 'a\0b' }, 'prefix'],
    ['a prefix with half a surrogate pair', { prefix: 'a\uD83D' }, 'prefix'],
    ['an empty schema', { schema: '' }, 'schema'],
    ['a schema of 64 bytes', { schema: 's'.repeat(64) }, 'schema'],
  ])('%s is refused before anything is asked of the database', async (_what, options, option) => {
    const refused = expect.objectContaining({ code: 'INVALID_OPTION', details: { option } }) as Error
    expect(() => openStore({ connection: database.url, ...options })).toThrow(refused)
    const { prefix = 'p', schema = 's' } = options as { prefix?: string, schema?: string }
    await expect(runMigrations(pool, prefix, schema)).rejects.toThrow(refused)
    await expect(rollbackTo(pool, prefix, 0, schema)).rejects.toThrow(refused)
  })
})
