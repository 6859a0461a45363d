import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { mergeRuntimeConfig, toRuntimeConfig } from '../../src/options/runtimeConfig'
import type { ModuleOptions } from '../../src/options/runtimeConfig'
import { chooseConnection } from '../../src/runtime/server/connection'
import { CONNECTION_MEMBERS } from '../../src/runtime/core/db/connection/connectionMembers'
import { createStore } from '../../src/runtime/core/index'
import type { StoreOptions } from '../../src/runtime/core/index'
import { storeSettings } from '../../src/runtime/server/settings'

const build = { dev: false, rootDir: '/app', env: {}, warn: () => {} }
const wrong = (value: unknown): never => value as never
const MEMORY = 'pglite://memory'
const RULE = { subject: 'orders:*', maxAge: '30d', action: 'drop' }
const refusal = (option: string, text: RegExp) => expect.objectContaining({
  code: 'INVALID_OPTION', message: expect.stringMatching(text) as string, details: expect.objectContaining({ option }) as unknown,
}) as Error

describe('an unknown option', () => {
  it.each([['poolsize', 'poolSize'], ['pool_size', 'poolSize'], ['shema', 'schema'], ['connectTimout', 'connectTimeout'], ['retentions', 'retention']])('is refused: %s, and the nearest named', (name, meant) => {
    const text = new RegExp(`${name}.*unknown.*\`${meant}\``)
    expect(() => createStore(wrong({ connection: MEMORY, [name]: 1 }))).toThrow(refusal(name, text))
    expect(() => toRuntimeConfig(wrong({ connection: MEMORY, [name]: 1 }), build)).toThrow(refusal(`nventStorePostgres.${name}`, text))
    expect(() => mergeRuntimeConfig({ [name]: 1 }, toRuntimeConfig({}, build), {})).toThrow(refusal(`runtimeConfig.nventStorePostgres.${name}`, text))
  })

  it('is refused when nothing is near, with all that are known', () => {
    expect(() => createStore(wrong({ connection: MEMORY, colour: 'red' }))).toThrow(refusal('colour', /unknown; known are connection, .*poolSize/))
  })

  it.each([
    ['maxcount', 'maxCount'], ['max_age', 'maxAge'], ['maxage', 'maxAge'], ['subjects', 'subject'], ['Action', 'action'],
  ])('is refused in a rule of retention: %s, and the nearest named', (name, meant) => {
    const rule = { subject: 'orders:*', maxAge: '30d', action: 'drop' }
    const text = new RegExp(`${name}.*unknown.*\`${meant}\``)
    for (const given of [{ ...rule, [name]: 5 }, { subject: 'orders:*', maxAge: '30d', [name]: 5 }]) {
      expect(() => createStore(wrong({ connection: MEMORY, retention: [rule, given] }))).toThrow(refusal(`retention.1.${name}`, text))
      expect(() => toRuntimeConfig(wrong({ connection: MEMORY, retention: [rule, given] }), build)).toThrow(refusal(`retention.1.${name}`, text))
    }
    expect(() => createStore(wrong({ connection: MEMORY, retention: [{ ...rule, colour: 'red' }] }))).toThrow(refusal('retention.0.colour', /unknown; known are subject, maxAge/))
    expect(() => toRuntimeConfig(wrong({ connection: MEMORY, retention: [{ ...rule, [name]: undefined }] }), build)).not.toThrow()
  })

  it('is refused before what it was meant for is missed', () => {
    expect(() => createStore(wrong({ conection: 'postgres://db.test/app' }))).toThrow(refusal('conection', /did you mean `connection`/))
    expect(() => createStore(wrong({ connection: 'nothing', poolsize: 5 }))).toThrow(refusal('poolsize', /`poolSize`/))
  })

  it.each([
    ['url', 'connectionString'], ['uri', 'connectionString'], ['conectionString', 'connectionString'], ['connection_string', 'connectionString'], ['ConnectionString', 'connectionString'],
    ['pasword', 'password'], ['pass', 'password'], ['hots', 'host'], ['hostname', 'host'], ['prot', 'port'], ['username', 'user'], ['usr', 'user'], ['dbname', 'database'], ['databse', 'database'],
    ['poolSize', 'max'], ['Max', 'max'], ['idleTimeout', 'idleTimeoutMillis'], ['connectionTimeout', 'connectionTimeoutMillis'], ['connectionTimeoutMilis', 'connectionTimeoutMillis'],
    ['applicationName', 'application_name'], ['statementTimeout', 'statement_timeout'], ['sslmode', 'ssl'], ['schema', 'schema'], ['search_path', 'schema'], ['keepalive', 'keepAlive'],
    ['allowExitOnIdel', 'allowExitOnIdle'], ['maxUse', 'maxUses'], ['maxlifetimeseconds', 'maxLifetimeSeconds'],
  ])('is refused in a connection: %s, and the nearest named', (name, meant) => {
    const given = { host: 'db.test', [name]: 's3cr' }
    const at = (path: string) => refusal(`${path}.${name}`, new RegExp(`${name}.*unknown.*\`${meant}\`(?!.*s3cr)`))
    expect(() => createStore(wrong({ connection: given }))).toThrow(at('connection'))
    expect(() => chooseConnection({ env: { NUXT_NVENT_STORE_POSTGRES_CONNECTION: JSON.stringify(given) } })).toThrow(at('connection'))
    for (const option of ['migrationConnection', 'listenConnection']) {
      expect(() => createStore(wrong({ connection: 'postgres://db.test/app', [option]: given }))).toThrow(at(option))
    }
    for (const option of ['connection', 'migrationConnection', 'listenConnection']) {
      expect(() => toRuntimeConfig(wrong({ [option]: given }), build)).toThrow(at(`nventStorePostgres.${option}`))
      expect(() => mergeRuntimeConfig({ [option]: given }, toRuntimeConfig({}, build), {})).toThrow(at(`runtimeConfig.nventStorePostgres.${option}`))
    }
    for (const nvent of [{ store: { connection: given } }, { store: { postgres: given } }, { connections: { postgres: given } }]) {
      expect(() => toRuntimeConfig({}, { ...build, nvent })).toThrow(new RegExp(`nvent\\..*${name}.*\`${meant}\``))
    }
  })

  it('is refused in a connection when nothing is near, and in its `ssl` only when something is', async () => {
    expect(() => createStore(wrong({ connection: { host: 'db.test', colour: 'red' } }))).toThrow(refusal('connection.colour', /known are connectionString, host/))
    for (const [name, meant] of [['rejectUnauthorised', 'rejectUnauthorized'], ['serverName', 'servername'], ['cas', 'ca'], ['passPhrase', 'passphrase']] as const) {
      expect(() => createStore(wrong({ connection: { host: 'db.test', ssl: { [name]: 'x' } } }))).toThrow(refusal(`connection.ssl.${name}`, new RegExp(`\`${meant}\``)))
    }
    await createStore(wrong({ connection: { host: 'db.test', ssl: { ca: 'x', rejectUnauthorized: true, whatNodeTakesLater: 1 } } })).close()
  })

  it('is none in a connection that pg reads, of its types or of its pool', async () => {
    const known = Object.fromEntries(CONNECTION_MEMBERS.map(name => [name, undefined]))
    await createStore(wrong({ connection: { ...known, host: 'db.test', colour: undefined, password: () => 'x', max: 3, log() {}, scramMaxIterations: 5 } })).close()
    const pool = new pg.Pool({ host: 'db.test', password: 'x', max: 2 })
    await createStore({ pool, listenConnection: pool.options, migrationConnection: pool.options }).close()
    await pool.end()
  })

  it('is none that pg itself reads', () => {
    const sources = ['pg/lib/client.js', 'pg/lib/connection-parameters.js', 'pg-pool'].map(name => readFileSync(createRequire(import.meta.url).resolve(name), 'utf8')).join('\n')
    const read = [...sources.matchAll(/(?:\bc|\bconfig|this\.options)\.(\w+)|\bval\('(\w+)', config/g)].map(([, one, other]) => one ?? other!)
    // What pg is handed with a query, or sets itself.
    const others = new Set(['poolSize', 'submit', 'query', 'name', 'callback', 'length', 'text', 'rowMode', 'values'])
    expect(read).toContain('scramMaxIterations')
    expect(read.filter(name => !others.has(name) && !CONNECTION_MEMBERS.includes(name))).toEqual([])
  })

  it('is none when it is undefined', async () => {
    await createStore(wrong({ connection: MEMORY, colour: undefined })).close()
    expect(() => toRuntimeConfig(wrong({ colour: undefined }), build)).not.toThrow()
  })

  it.each(['NUXT', 'NITRO'])('is refused as a variable of %s, and the nearest named', (framework) => {
    const prefix = `${framework}_NVENT_STORE_POSTGRES_`
    const settings = (env: Record<string, string>) => storeSettings(toRuntimeConfig({ connection: MEMORY }, build), env)
    expect(() => settings({ [`${prefix}POOLSIZE`]: '3' })).toThrow(refusal(`${prefix}POOLSIZE`, new RegExp(`did you mean ${prefix}POOL_SIZE`)))
    expect(() => settings({ [`${prefix}CONNECTION_PASWORD`]: '3' })).toThrow(refusal(`${prefix}CONNECTION_PASWORD`, new RegExp(`did you mean ${prefix}CONNECTION_PASSWORD`)))
    expect(() => settings({ [`${prefix}LISTEN_CONNECTION_HOTS`]: '3' })).toThrow(/LISTEN_CONNECTION_HOST\b/)
    expect(() => settings({ [`${prefix}CONNECTION_IDLE_TIMEOUT_MILLIS`]: '3', [`${prefix}CONNECTION_SSL_CA`]: 'x' })).not.toThrow()
    expect(() => settings({ [`${prefix}COLOUR`]: '3' })).toThrow(refusal(`${prefix}COLOUR`, /unknown; known are/))
    expect(() => settings({ [`${prefix}POOL_SIZE`]: '3', [`${prefix}MIGRATION_CONNECTION_PASSWORD`]: 'x', NUXT_OTHER: 'x' })).not.toThrow()
  })
})

describe('an option of a wrong type', () => {
  it.each<[option: keyof StoreOptions & keyof ModuleOptions, value: unknown]>([
    ['poolSize', '3'], ['poolSize', 0], ['prefix', 5], ['schema', true], ['autoMigrate', 'yes'], ['prepare', 1], ['batching', null], ['durability', 'half'],
    ['connectTimeout', '30s'], ['queryTimeout', -1], ['serverless', 'yes'], ['maxStreamTables', 1.5], ['sweepInterval', Number.NaN], ['retention', 'all'],
    ['retention', [{ subject: 'a', maxAge: 'soon', action: 'drop' }]], ['slowCallMs', {}], ['pollInterval', []], ['notify', 0],
    ['migrationConnection', 5], ['listenConnection', ['postgres://localhost']],
  ])('is refused where the app is built, and by a store: %s %j', (option, value) => {
    const given = { connection: MEMORY, [option]: value }
    if (value !== null) expect(() => toRuntimeConfig(wrong(given), build)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }) as Error)
    if (value !== null) expect(() => createStore(wrong(given))).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }) as Error)
  })

  it('is null where null does not mean that nothing was given', () => {
    for (const option of ['durability', 'poolSize', 'adoptFrom', 'migrationConnection']) {
      expect(() => createStore(wrong({ connection: MEMORY, [option]: null })), option).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }) as Error)
    }
    for (const option of ['prefix', 'batching', 'pollInterval']) expect(() => createStore(wrong({ connection: MEMORY, [option]: null })), option).not.toThrow()
  })

  it.each<[what: string, rules: unknown, option: string, text: RegExp]>([
    ['no array', { subject: 'a' }, 'retention', /array of rules/],
    ['no object', [RULE, 'orders:*'], 'retention.1', /must be an object.*not "orders:\*"/],
    ['null', [RULE, null], 'retention.1', /must be an object.*not null/],
    ['the first of two wrong rules', [{ ...RULE, maxCount: 0 }, { maxage: 1 }], 'retention.0.maxCount', /at least 1, not 0/],
    ['a name before values', [RULE, { subject: 5, maxage: 1, action: 'delete' }], 'retention.1.maxage', /did you mean `maxAge`/],
    ['the subject before all other values', [RULE, { action: 'delete', maxCount: -1, maxAge: 'soon' }], 'retention.1.subject', /orders:\*, not undefined/],
    ['then maxAge', [{ action: 'delete', maxCount: -1, maxAge: 'soon', subject: 'a' }], 'retention.0.maxAge', /'30d'.*not "soon"/],
    ['then maxCount', [{ action: 'delete', maxCount: '5', subject: 'a' }], 'retention.0.maxCount', /integer.*not "5"/],
    ['then action', [{ action: 'delete', subject: 'a' }], 'retention.0.action', /'drop' or 'archive', not "delete"/],
    ['then what is missing', [RULE, { action: 'drop', subject: 'a:*' }], 'retention.1', /"a:\*".*needs `maxAge` or `maxCount`/],
    ['a pattern with NUL', [{ ...RULE, subject: 'a\0' }], 'retention.0.subject', /NUL|U\+0000|\\u0000/],
  ])('is refused of a rule of retention, one thing after the other: %s', (_, retention, option, text) => {
    expect(() => createStore(wrong({ connection: MEMORY, retention }))).toThrow(refusal(option, text))
    expect(() => toRuntimeConfig(wrong({ connection: MEMORY, retention }), build)).toThrow(refusal(option, text))
  })

  it.each(['abc', 99_999, -1, 1.5, '', 0, '0', '5432 ', 'postgres://db.test/app?port=abc', 'postgres://db.test:0/app', 'postgres://db.test:port/app'])('is refused of a port, which no pool ends after: %j', async (port) => {
    const connection = typeof port === 'string' && port.includes(':') ? port : { host: '127.0.0.1', port }
    const use = async () => {
      const store = createStore(wrong({ connection, connectTimeout: 0 }))
      return store.kv.get('a').finally(() => store.close())
    }
    await expect(use()).rejects.toThrow(refusal('connection', /port.* from 1 to 65535/))
  })

  it('is refused of a connection that pg would read nothing of', () => {
    expect(() => createStore(wrong({ connection: new URL('postgres://app:s3cr@db.test/app') }))).toThrow(refusal('connection', /url\.href/))
    const pool = new pg.Pool()
    for (const it of [pool, new pg.Client()]) expect(() => createStore(wrong({ connection: it }))).toThrow(refusal('connection', /option `pool`/))
    expect(() => createStore({ connection: { connectionString: MEMORY } })).toThrow(refusal('connection', /embedded database.*URL itself/))
  })

  it('is shown as it was written', () => {
    expect(() => createStore(wrong({ connection: MEMORY, poolSize: '5' }))).toThrow(refusal('poolSize', /not "5"$/))
  })

  it('is refused of a route, a logger, a pool, and of the options themselves', () => {
    expect(() => toRuntimeConfig(wrong({ health: true }), build)).toThrow(refusal('nventStorePostgres.health', /string/))
    expect(() => toRuntimeConfig(wrong({ consumers: 'no' }), build)).toThrow(refusal('nventStorePostgres.consumers', /"no"/))
    expect(() => storeSettings({ ...toRuntimeConfig({}, build), connection: MEMORY, consumers: wrong('no') }, {})).toThrow(refusal('consumers', /"no"/))
    expect(() => toRuntimeConfig(wrong({ connection: 5 }), build)).toThrow(refusal('nventStorePostgres.connection', /URL/))
    expect(() => createStore(wrong({ connection: MEMORY, logger: {} }))).toThrow(refusal('logger', /`info`/))
    expect(() => createStore(wrong({ pool: {} }))).toThrow(refusal('pool', /`connect`/))
    for (const options of [undefined, null, MEMORY]) expect(() => createStore(wrong(options))).toThrow(refusal('options', /object/))
  })
})

describe('a name in the environment', () => {
  it.each(['1e3', '2024', 'true', 'null', '0x10', '{}'])('stays as it was written: %s', (name) => {
    // What Nitro makes of it, and the variable itself.
    const config = { ...toRuntimeConfig({ connection: MEMORY }, build), schema: wrong(name === 'null' ? null : name === 'true' ? true : Number(name)), prefix: wrong(5) }
    const env = { NUXT_NVENT_STORE_POSTGRES_SCHEMA: name, NUXT_NVENT_STORE_POSTGRES_PREFIX: name, NUXT_NVENT_STORE_POSTGRES_SUBJECT_PREFIX: name }
    expect(storeSettings(config, env).options).toMatchObject({ schema: name, prefix: name, subjectPrefix: name })
    expect(storeSettings(config, { ...env, NITRO_NVENT_STORE_POSTGRES_SCHEMA: 'nitro' }).options.schema).toBe('nitro')
  })
})
