import { describe, expect, it } from 'vitest'
import { chooseConnection } from '../../src/runtime/server/connection'
import type { ConnectionInput } from '../../src/runtime/server/connection'

const OVERRIDE = 'NUXT_NVENT_STORE_POSTGRES_CONNECTION'
const url = (name: string) => `postgres://app:s3cret@${name}.test:5432/orders`
const source = (name: string, connection: string | Record<string, unknown>) => ({ name, connection })

const everything = (): ConnectionInput & { env: Record<string, string | undefined> } => ({
  env: { [OVERRIDE]: url('override'), DATABASE_URL: url('database'), POSTGRES_URL: url('postgres') },
  sources: [
    source('nvent.store.connection', url('store')),
    source('nvent.store.postgres', url('typed')),
    source('nvent.connections.postgres', url('shared')),
    source('nventStorePostgres.connection', url('own')),
  ],
  embedded: 'pglite:///app/.data/nvent-store',
})

describe('which source names the database', () => {
  it('is the highest of the documented order, each one taken whole', () => {
    const input = everything()
    const order: string[] = []
    const next = () => {
      const chosen = chooseConnection(input)
      order.push(chosen.source)
      return chosen.connection
    }
    expect(next()).toBe(url('override'))
    input.env[OVERRIDE] = undefined
    for (const host of ['store', 'typed', 'shared', 'own']) {
      expect(next()).toBe(url(host))
      input.sources = input.sources?.slice(1)
    }
    expect(next()).toBe(url('database'))
    input.env.DATABASE_URL = undefined
    expect(next()).toBe(url('postgres'))
    input.env.POSTGRES_URL = undefined
    expect(next()).toBe('pglite:///app/.data/nvent-store')
    expect(order).toEqual([
      OVERRIDE, 'nvent.store.connection', 'nvent.store.postgres', 'nvent.connections.postgres', 'nventStorePostgres.connection',
      'DATABASE_URL', 'POSTGRES_URL', 'the development default',
    ])
  })

  it.each<[name: string, given: Partial<ConnectionInput>, expected: string]>([
    ['nvent.store.postgres', { nvent: { store: { postgres: url('typed') } } }, 'nvent.store.postgres'],
    ['nventStorePostgres.connection', { sources: [source('nventStorePostgres.connection', url('own'))] }, 'nventStorePostgres.connection'],
    ['DATABASE_URL', { env: { DATABASE_URL: url('database') } }, 'DATABASE_URL'],
    ['the embedded database', { embedded: 'pglite://memory' }, 'the development default'],
    ['another database written in its place', { nvent: { connections: { postgres: url('shared') } } }, 'nvent.connections.postgres'],
  ])('is %s rather than the one nvent invents', (_, given, expected) => {
    const connections = { postgres: 'postgresql://localhost:5432/nvent' }
    const { source: chosen, warnings } = chooseConnection({ env: {}, ...given, nvent: { connections, ...given.nvent } })
    expect([chosen, warnings]).toEqual([expected, []])
  })

  it('is none when only nvent names one', () => {
    expect(() => chooseConnection({ env: {}, nvent: { connections: { postgres: 'postgresql://localhost:5432/nvent' } } })).toThrow(/no database is configured/)
    expect(() => chooseConnection({ env: {}, nvent: { connections: { postgres: { connectionString: 'postgresql://localhost:5432/nvent' } } } })).toThrow(/no database is configured/)
  })

  it('mixes no fields of two sources', () => {
    const { connection } = chooseConnection({
      env: { DATABASE_URL: url('database') },
      sources: [source('nvent.connections.postgres', { host: 'shared.test' }), source('nventStorePostgres.connection', { max: 3, password: 'x' })],
    })
    expect(connection).toEqual({ host: 'shared.test' })
  })

  it('does not count what unset variables leave behind', () => {
    const { source: name } = chooseConnection({
      env: { [OVERRIDE]: '', DATABASE_URL: url('database') },
      sources: [source('nvent.connections.postgres', ''), source('nventStorePostgres.connection', {})],
      override: '',
    })
    expect(name).toBe('DATABASE_URL')
  })

  it('takes a pg configuration as JSON from the override', () => {
    const { connection } = chooseConnection({ env: { [OVERRIDE]: '{"host":"db.test","ssl":{"rejectUnauthorized":false},"max":3}' } })
    expect(connection).toEqual({ host: 'db.test', ssl: { rejectUnauthorized: false }, max: 3 })
  })

  it('refuses an override that is broken JSON, without showing it', () => {
    expect.assertions(2)
    try {
      chooseConnection({ env: { [OVERRIDE]: '{"password":"s3cret"' } })
    }
    catch (error) {
      expect(error).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining(OVERRIDE) as string })
      expect(String(error)).not.toContain('s3cret')
    }
  })

  it('takes the NITRO_ name too, and it goes first as Nitro has it', () => {
    const env = { NITRO_NVENT_STORE_POSTGRES_CONNECTION: url('nitro'), [OVERRIDE]: url('override') }
    expect(chooseConnection({ env }).source).toBe('NITRO_NVENT_STORE_POSTGRES_CONNECTION')
  })

  it('takes what runtimeConfig says when no variable does', () => {
    const { source: name, connection } = chooseConnection({ ...everything(), env: {}, override: url('runtime') })
    expect([name, connection]).toEqual(['runtimeConfig.nventStorePostgres.connection', url('runtime')])
  })

  it('asks nvent\'s runtime config where nuxt.config said nothing', () => {
    const nvent = { store: { connection: url('nvent') }, connections: { postgres: url('shared') } }
    expect(chooseConnection({ env: {}, nvent }).connection).toBe(url('nvent'))
    expect(chooseConnection({ env: {}, nvent: { connections: nvent.connections } }).source).toBe('nvent.connections.postgres')
  })

  it('leaves nvent.store.connection alone when it belongs to another adapter', () => {
    const nvent = { store: { adapter: 'redis', connection: { host: 'redis.test' } } }
    expect(chooseConnection({ env: { DATABASE_URL: url('database') }, nvent }).source).toBe('DATABASE_URL')
  })

  it('lists the sources when there is none', () => {
    expect(() => chooseConnection({ env: {} })).toThrow(
      /NUXT_NVENT_STORE_POSTGRES_CONNECTION, nvent\.store\.connection, nvent\.connections\.postgres, nventStorePostgres\.connection, DATABASE_URL, POSTGRES_URL/,
    )
    // First of all the one thing to do.
    expect(() => chooseConnection({ env: {} })).toThrow(/^set DATABASE_URL to /)
  })
})

describe('warnings', () => {
  it('name every lower source that leads elsewhere, without secrets', () => {
    const { warnings } = chooseConnection({
      env: { DATABASE_URL: url('database') },
      sources: [source('nvent.connections.postgres', { host: 'shared.test', database: 'orders', password: 's3cret' }), source('nventStorePostgres.connection', url('own'))],
    })
    expect(warnings).toEqual([
      'nvent.connections.postgres (shared.test:5432/orders) is used, nventStorePostgres.connection (own.test:5432/orders) differs and is ignored',
      'nvent.connections.postgres (shared.test:5432/orders) is used, DATABASE_URL (database.test:5432/orders) differs and is ignored',
    ])
  })

  it('are not given for the same database written differently', () => {
    const { warnings } = chooseConnection({
      env: { DATABASE_URL: 'postgresql://app:s3cret@localhost/orders?sslmode=disable' },
      sources: [source('nventStorePostgres.connection', { host: 'localhost', port: 5432, database: 'orders', user: 'app', password: 's3cret', max: 4 })],
    })
    expect(warnings).toEqual([])
  })

  it('are given for the same database with another password, which is not shown', () => {
    const { warnings } = chooseConnection({
      env: { [OVERRIDE]: url('db'), DATABASE_URL: 'postgres://app:0ther@db.test/orders' },
    })
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).not.toMatch(/s3cret|0ther/)
  })

  it('never show a URL that can\'t be read', () => {
    const { warnings } = chooseConnection({ env: { [OVERRIDE]: url('db'), DATABASE_URL: 'postgres://app:s3cret@db:port/x' } })
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).not.toContain('s3cret')
  })
})

describe('secrets that stayed in the environment', () => {
  it('are put back at run time', () => {
    const sources = [source('nventStorePostgres.connection', { host: 'db.test', password: { $env: ['POSTGRES_PASSWORD'] } })]
    expect(chooseConnection({ env: { POSTGRES_PASSWORD: 'now' }, sources }).connection).toEqual({ host: 'db.test', password: 'now' })
  })

  it('are asked for by name when they are missing', () => {
    const sources = [source('nventStorePostgres.connection', { host: 'db.test', password: { $env: ['POSTGRES_PASSWORD'] } })]
    expect(() => chooseConnection({ env: { DATABASE_URL: url('database') }, sources }))
      .toThrow(/nventStorePostgres\.connection\.password.*environment variable POSTGRES_PASSWORD/)
  })

  it('are not needed for a source that does not win', () => {
    const sources = [source('nventStorePostgres.connection', { password: { $env: ['POSTGRES_PASSWORD'] } })]
    expect(chooseConnection({ env: { [OVERRIDE]: url('override') }, sources }).source).toBe(OVERRIDE)
  })
})
