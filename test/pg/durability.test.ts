import { describe, expect, it } from 'vitest'
import type { StoreOptions } from '../../src/runtime/core/options/types'
import { createStore } from '../../src/runtime/core/store'
import { freshDatabase, openStore } from '../setup/database'
import { openPool, servers } from './servers'

/** What a setting is on a connection of a store. */
async function settingOf(name: string, options: StoreOptions): Promise<string> {
  const store = openStore(options)
  const { rows: [row] } = await store.transaction(tx => tx.query('select current_setting($1) as value', [name]))
  return (row as { value: string }).value
}

describe.each(servers)('durability on $name', ({ server }) => {
  it('is what the server says, unless it is relaxed', async () => {
    const { url, sql } = await freshDatabase(server)
    const [{ value }] = await sql<{ value: string }>('select current_setting(\'synchronous_commit\') as value') as [{ value: string }]
    expect(await settingOf('synchronous_commit', { connection: url })).toBe(value)
    await sql(`do $$ begin execute format('alter database %I set synchronous_commit = on', current_database()); end $$`)
    expect(await settingOf('synchronous_commit', { connection: url })).toBe('on')
    expect(await settingOf('synchronous_commit', { connection: url, durability: 'full' })).toBe('on')
    expect(await settingOf('synchronous_commit', { connection: url, durability: 'relaxed' })).toBe('off')
    expect(await settingOf('synchronous_commit', { connection: { connectionString: url }, durability: 'relaxed', poolSize: 1 })).toBe('off')
  })

  it('leaves the other options of the connection as they are', async () => {
    const { url } = await freshDatabase(server)
    const connection = `${url}?options=${encodeURIComponent('-c statement_timeout=12345')}`
    expect(await settingOf('statement_timeout', { connection, durability: 'relaxed' })).toBe('12345ms')
    expect(await settingOf('synchronous_commit', { connection, durability: 'relaxed' })).toBe('off')
  })

  it('can not be changed on a pool of the caller\'s', async () => {
    const { url } = await freshDatabase(server)
    const pool = openPool(url)
    expect(() => createStore({ pool, durability: 'relaxed' })).toThrow(/`durability`.*synchronous_commit=off/)
    expect(() => createStore({ pool, durability: 'full' })).not.toThrow()
  })
})

describe('durability on PGlite', () => {
  it('is full unless it is relaxed', async () => {
    expect(await settingOf('synchronous_commit', { connection: 'pglite://memory' })).toBe('on')
    expect(await settingOf('synchronous_commit', { connection: 'pglite://memory', durability: 'relaxed' })).toBe('off')
  })
})
