import type pg from 'pg'
import { describe, expect, it } from 'vitest'
import type { StoreOptions } from '../../src/runtime/core/options/types'
import { freshDatabase, onFileEnd, openStore } from '../setup/database'
import { oneServer, openPool } from './servers'

describe.each(oneServer)('listening', ({ server }) => {
  const passwords: [what: string, of: (password: string) => pg.ClientConfig['password']][] = [
    ['a string', password => password],
    ['a function', password => () => password],
    ['an asynchronous function', password => async () => password],
  ]
  const ways: [what: string, options: (config: pg.PoolConfig) => StoreOptions][] = [
    ['an object', connection => ({ connection })],
    ['the options of another pool', config => ({ connection: poolOf(config).options })],
    ['relaxed connections', connection => ({ connection, durability: 'relaxed' })],
    ['a pool of the caller\'s', config => ({ pool: poolOf(config) })],
    ['a connection of its own', listenConnection => ({ pool: poolOf(listenConnection), listenConnection: poolOf(listenConnection).options })],
    ['a pool, and migrations elsewhere', migrationConnection => ({ pool: poolOf(migrationConnection), migrationConnection: poolOf(migrationConnection).options })],
  ]

  function poolOf(config: pg.PoolConfig): pg.Pool {
    const pool = openPool(config)
    onFileEnd(() => pool.end())
    return pool
  }

  it.each(ways.flatMap(([way, options]) => passwords.map(([what, of]) => [way, what, options, of] as const)))(
    'with %s keeps its password, which is %s', async (_way, _what, options, of) => {
      const database = await freshDatabase(server)
      const { hostname: host, port, username: user, password, pathname } = new URL(database.url)
      const warnings: string[] = []
      const store = openStore({
        ...options({ host, port: Number(port), user, database: pathname.slice(1), password: of(password) }),
        logger: { info() {}, warn: message => void warnings.push(message), error() {} },
      })
      await store.stream.subscribe('orders:1', () => {})
      await expect.poll(() => database.sql('select 1 from pg_stat_activity where datname = current_database() and query ilike \'listen %\''))
        .toHaveLength(1)
      expect(warnings).toEqual([])
      await store.close()
    })
})
