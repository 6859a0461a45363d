import { describe, expect, it } from 'vitest'
import { mergeRuntimeConfig, toRuntimeConfig } from '../../src/options'
import type { ModuleOptions } from '../../src/options'
import { createStore } from '../../src/runtime/core/index'
import type { StoreOptions } from '../../src/runtime/core/index'
import { storeSettings } from '../../src/runtime/settings'

const build = { dev: false, rootDir: '/app', env: {}, warn: () => {} }
const wrong = (value: unknown): never => value as never
const MEMORY = 'pglite://memory'
const refusal = (option: string, text: RegExp) => expect.objectContaining({
  code: 'INVALID_OPTION', message: expect.stringMatching(text) as string, details: expect.objectContaining({ option }) as unknown,
}) as Error

describe('an option nobody knows', () => {
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

  it('is none when it is undefined', async () => {
    await createStore(wrong({ connection: MEMORY, colour: undefined })).close()
    expect(() => toRuntimeConfig(wrong({ colour: undefined }), build)).not.toThrow()
  })

  it.each(['NUXT', 'NITRO'])('is refused as a variable of %s, and the nearest named', (framework) => {
    const prefix = `${framework}_NVENT_STORE_POSTGRES_`
    const settings = (env: Record<string, string>) => storeSettings(toRuntimeConfig({ connection: MEMORY }, build), env)
    expect(() => settings({ [`${prefix}POOLSIZE`]: '3' })).toThrow(refusal(`${prefix}POOLSIZE`, new RegExp(`did you mean ${prefix}POOL_SIZE`)))
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

  it.each(['abc', 99_999, -1, 1.5, '', 'postgres://db.test/app?port=abc'])('is refused of a port, which no pool ends after: %j', async (port) => {
    const connection = typeof port === 'string' && port.includes(':') ? port : { host: '127.0.0.1', port }
    const use = async () => {
      const store = createStore(wrong({ connection, connectTimeout: 0 }))
      return store.kv.get('a').finally(() => store.close())
    }
    await expect(use()).rejects.toThrow(refusal('connection', /port.* from 0 to 65535/))
  })

  it('is refused of a connection that pg would read nothing of', () => {
    expect(() => createStore(wrong({ connection: new URL('postgres://app:s3cr@db.test/app') }))).toThrow(refusal('connection', /url\.href/))
    expect(() => createStore({ connection: { connectionString: MEMORY } })).toThrow(refusal('connection', /embedded database.*URL itself/))
  })

  it('is shown as it was written', () => {
    expect(() => createStore(wrong({ connection: MEMORY, poolSize: '5' }))).toThrow(refusal('poolSize', /not "5"$/))
  })

  it('is refused of a route, a logger, a pool, and of the options themselves', () => {
    expect(() => toRuntimeConfig(wrong({ health: true }), build)).toThrow(refusal('nventStorePostgres.health', /string/))
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
