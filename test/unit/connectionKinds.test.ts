import pg from 'pg'
import type { PoolConfig } from 'pg'
import { describe, expect, it } from 'vitest'
import { toRuntimeConfig } from '../../src/options/runtimeConfig'
import { createStore } from '../../src/runtime/core/index'
import { connectionFault } from '../../src/runtime/core/db/connection/connectionChecks'
import { storeSettings } from '../../src/runtime/server/settings'

const server = { host: 'db.test', user: 'app', password: 'S3CRET-of-app', database: 'orders' }
const URL_WITH_PASSWORD = 'postgres://app:S3CRET@db.test/orders'

const refusalOf = (members: Record<string, unknown>) => connectionFault({ ...server, ...members })

describe('a member of a connection', () => {
  it.each<[member: string, values: unknown[]]>([
    ['host', [5, {}, URL_WITH_PASSWORD, 'app:S3CRET@db.test', 'db.test:5432', 'db.test:', 'db.test/orders', ' db.test']],
    ['user', [5, {}, URL_WITH_PASSWORD]],
    ['database', [5, [], URL_WITH_PASSWORD]],
    ['password', [12345678, {}, true]],
    ['connectionString', [5, new URL(URL_WITH_PASSWORD)]],
    ['application_name', [5, {}]],
    ['options', [{}, ['-c', 'x=1']]],
    ['client_encoding', [8]],
    ['ssl', ['require', 'disable', 'false', 1]],
    ['max', [-1, 0, 1.5, 'many', {}, [5], Number.NaN]],
    ['min', [-1, 'few']],
    ['maxUses', [0, 'x']],
    ['maxLifetimeSeconds', [30 * 24 * 3_600, -1, '1h']],
    ['connectionTimeoutMillis', ['5s', '2592000000', -1, 0.5, Number.NaN, Infinity]],
    ['idleTimeoutMillis', ['5s', 2 ** 31]],
    ['statement_timeout', ['5s', 'abc', 2 ** 31, true]],
    ['lock_timeout', ['1min']],
    ['query_timeout', ['2592000000', '5s']],
    ['idle_in_transaction_session_timeout', ['60s']],
    ['keepAliveInitialDelayMillis', ['10s']],
    ['keepAlive', ['yes', 1]],
    ['allowExitOnIdle', ['no']],
    ['log', ['x']],
    ['verify', [5]],
    ['onConnect', [5]],
    ['Client', [5]],
    ['Promise', [5]],
    ['types', [5]],
    ['stream', [5]],
    ['binary', [true]],
    ['replication', ['database', true]],
  ])('%s of another kind is refused by its name, and its value is not shown', (member, values) => {
    for (const value of values) {
      const fault = refusalOf({ [member]: value })
      expect(fault, String(value)).toMatchObject({ path: expect.stringMatching(member === 'connectionString' ? /^\.?/ : `^\\.${member}$`) as string })
      expect(fault!.problem).not.toMatch(/S3CRET|\[object/)
    }
  })

  it('is refused as the store is made, and as the app is prepared', () => {
    const connection = { ...server, application_name: 5 } as unknown as PoolConfig
    const refused = { code: 'INVALID_OPTION', message: expect.stringContaining('connection.application_name') as string }
    expect(() => createStore({ connection })).toThrow(expect.objectContaining(refused))
    expect(() => toRuntimeConfig({ connection }, { dev: true, rootDir: '/app', env: {}, warn() {} })).toThrow(expect.objectContaining(refused))
  })

  it('may be all that pg takes, digits from the environment, and what stays in the environment', () => {
    const fit: Record<string, unknown>[] = [
      { host: '::1' }, { host: '127.0.0.1' }, { host: '/cloudsql/project:region:instance' }, { host: 'db.test.' }, { host: null },
      { user: 'app@server' }, { user: null }, { database: 'a b/c' }, { password: () => 'x' }, { password: '' }, { port: '5433' },
      { ssl: true }, { ssl: false }, { ssl: {} }, { ssl: 'no-verify' },
      { max: 5, min: 0, maxUses: Infinity }, { max: '5' }, { maxLifetimeSeconds: 0 }, { idleTimeoutMillis: null },
      { statement_timeout: false }, { statement_timeout: '5000' }, { query_timeout: 2 ** 31 - 1 }, { connectionTimeoutMillis: '0' },
      { keepAlive: true, allowExitOnIdle: false, pipeline: false, binary: false }, { log() {}, verify() {}, onConnect() {}, Client: pg.Client, Promise },
      { types: { getTypeParser() {} }, stream: () => undefined },
    ]
    for (const members of fit) expect(refusalOf(members), JSON.stringify(members)).toBeUndefined()
    const env = { DB_PASS: 'S3CRET-of-app' }
    expect(toRuntimeConfig({ connection: server }, { dev: false, rootDir: '/app', env, warn() {} }).sources)
      .toEqual([{ name: 'nventStorePostgres.connection', connection: { ...server, password: { $env: ['DB_PASS'] } } }])
  })
})

describe('a time in a URL', () => {
  it.each(['statement_timeout', 'lock_timeout', 'query_timeout', 'idle_in_transaction_session_timeout'])('%s is whole milliseconds that a timer can wait for', (name) => {
    for (const value of ['5s', 'abc', '-1', '1.5', '2592000000']) {
      expect(connectionFault(`postgres://app@db.test/orders?${name}=${value}`), value).toMatchObject({ problem: expect.stringMatching(`\`${name}\` that must be an integer`) as string })
    }
    for (const value of ['0', '5000', '2147483647', '']) expect(connectionFault(`postgres://app@db.test/orders?${name}=${value}`), value).toBeUndefined()
  })
})

describe('a string of the environment', () => {
  it.each(['NUXT', 'NITRO'])('stays text in a member of a connection (%s)', (framework) => {
    const made = toRuntimeConfig({}, { dev: false, rootDir: '/app', env: {}, warn() {} })
    // As Nitro hands it over.
    const read = { host: 'db.test', user: 1000, password: 12345678, database: true, application_name: null, max: 5 } as unknown as PoolConfig
    const written = { USER: '1e3', PASSWORD: '12345678', DATABASE: 'true', APPLICATION_NAME: 'null', MAX: '5' }
    for (const [option, place] of [['connection', 'CONNECTION'], ['migrationConnection', 'MIGRATION_CONNECTION'], ['listenConnection', 'LISTEN_CONNECTION']] as const) {
      const env = Object.fromEntries(Object.entries(written).map(([member, value]) => [`${framework}_NVENT_STORE_POSTGRES_${place}_${member}`, value]))
      const { options } = storeSettings({ ...made, connection: 'postgres://db.test/app', [option]: read }, env)
      expect(options[option]).toEqual({ host: 'db.test', user: '1e3', password: '12345678', database: 'true', application_name: 'null', max: 5 })
    }
  })
})

it('`ssl` in a URL is refused where it says no, which pg reads as yes', () => {
  for (const value of ['false', 'off', 'disable']) expect(connectionFault(`postgres://app@db.test/orders?ssl=${value}`)).toMatchObject({ problem: expect.stringContaining('sslmode=disable') as string })
  for (const value of ['true', '1', '0']) expect(connectionFault(`postgres://app@db.test/orders?ssl=${value}`)).toBeUndefined()
})
