import { describe, expect, it, vi } from 'vitest'
import { mergeRuntimeConfig, toRuntimeConfig } from '../../src/options/runtimeConfig'
import type { BuildContext, ModuleOptions } from '../../src/options/runtimeConfig'
import { storeSettings, worksElsewhere } from '../../src/runtime/server/settings'

const build = (context: Partial<BuildContext> = {}): BuildContext => ({ dev: false, rootDir: '/app', env: {}, warn: () => {}, ...context })
const settings = (options: ModuleOptions, context?: Partial<BuildContext>, env = {}) =>
  storeSettings(toRuntimeConfig({ connection: 'pglite://memory', ...options }, build(context)), env)

describe('from module options to store options', () => {
  it('fills in the documented defaults', () => {
    expect(settings({}).options).toEqual({
      connection: 'pglite://memory', prefix: 'nvent', subjectPrefix: undefined, schema: 'public', autoMigrate: true, poolSize: undefined,
      prepare: true, batching: true, durability: 'full', connectTimeout: 30_000, queryTimeout: 0, serverless: false, maxStreamTables: 100, sweepInterval: 60_000,
      pollInterval: 250, notify: true, migrationConnection: undefined, listenConnection: undefined,
      retention: [], deadLetterMaxAge: 0, retentionInterval: 3_600_000, slowCallMs: 0,
    })
  })

  it('carries every option', () => {
    const options: ModuleOptions = {
      prefix: 'Äx "y"', schema: 'my-schema', autoMigrate: false, poolSize: 3, prepare: false, connectTimeout: 1, maxStreamTables: 0,
      sweepInterval: 0, pollInterval: 5, retention: [{ subject: 'orders:*', maxAge: '30d', maxCount: 5, action: 'archive' }], retentionInterval: 0,
      slowCallMs: 1, durability: 'relaxed',
      queryTimeout: 9, serverless: true, migrationConnection: 'postgres://db.test/a', listenConnection: { host: 'db.test' },
    }
    expect(settings(options).options).toMatchObject(options)
  })

  it('survives the JSON of the server bundle', () => {
    const config = toRuntimeConfig({ connection: { host: 'db.test', ssl: { rejectUnauthorized: false } } }, build())
    expect(storeSettings(JSON.parse(JSON.stringify(config)), {}).options.connection).toEqual({ host: 'db.test', ssl: { rejectUnauthorized: false } })
  })

  it('names tables by its own prefix, else nvent\'s; subjects by nvent\'s', () => {
    const nvent = { store: { prefix: 'nq' } }
    expect(settings({}, { nvent }).options).toMatchObject({ prefix: 'nq', subjectPrefix: 'nq' })
    expect(settings({ prefix: 'mine' }, { nvent }).options).toMatchObject({ prefix: 'mine', subjectPrefix: 'nq' })
    expect(settings({ prefix: 'mine' }).options).toMatchObject({ prefix: 'mine', subjectPrefix: undefined })
  })

  it('looks for tables to adopt where nvent has its own, and only with nvent', () => {
    expect(settings({}).options.adoptFrom).toBeUndefined()
    expect(settings({}, { nvent: { store: { prefix: 'nq' } } }).options).toMatchObject({ schema: 'public', adoptFrom: 'nvent_store' })
    expect(settings({}, { nvent: { store: { schema: 'flows' } } }).options).toMatchObject({ schema: 'public', adoptFrom: 'flows' })
  })

  it('takes from nvent what was configured, and not its own defaults', () => {
    const nvent = { store: { postgres: { host: 'typed.test' } }, connections: { postgres: 'postgresql://localhost:5432/nvent' } }
    expect(toRuntimeConfig({}, build({ nvent })).sources).toEqual([{ name: 'nvent.store.postgres', connection: { host: 'typed.test' } }])
    expect(toRuntimeConfig({}, build({ nvent: { ...nvent, store: { adapter: 'redis', postgres: { host: 'typed.test' } } } })).sources).toEqual([])
  })

  it('lets an empty prefix through to be refused', () => {
    expect(settings({ prefix: '' }).options.prefix).toBe('')
  })

  it('takes numbers for names when Nitro read them out of variables as such', () => {
    const config = { ...toRuntimeConfig({ connection: 'pglite://memory' }, build()), schema: 2024 as unknown as string }
    expect(storeSettings(config, {}).options.schema).toBe('2024')
  })
})

describe('connections in the config', () => {
  it('are read in development from .data of the app when there is none', () => {
    expect(settings({ connection: undefined }, { dev: true, rootDir: '/my app' }).options.connection).toBe('pglite:///my%20app/.data/nvent-store')
    expect(() => settings({ connection: undefined })).toThrow(/no database is configured/)
  })

  it('leave nothing of the environment in the runtime config', () => {
    const env = { DATABASE_URL: 'postgres://app:s3cret@db.test/orders', POSTGRES_PASSWORD: '0ther' }
    const config = toRuntimeConfig(
      { connection: env.DATABASE_URL },
      build({ env, nvent: { connections: { postgres: { host: 'shared.test', password: env.POSTGRES_PASSWORD } } } }),
    )
    expect(JSON.stringify(config)).not.toMatch(/s3cret|0ther/)
    expect(storeSettings(config, env).options.connection).toEqual({ host: 'shared.test', password: '0ther' })
  })

  it('for migrations and LISTEN keep no secret either, and follow the environment', () => {
    const env = { MIGRATE_URL: 'postgres://owner:s3cret@db.test/orders' }
    const config = toRuntimeConfig({ connection: 'pglite://memory', migrationConnection: env.MIGRATE_URL }, build({ env }))
    expect(JSON.stringify(config)).not.toContain('s3cret')
    const twice = mergeRuntimeConfig(config, toRuntimeConfig({}, build({ env })), env)
    expect(storeSettings(twice, env).options).toMatchObject({ migrationConnection: env.MIGRATE_URL, listenConnection: undefined })
    // What Nitro makes of NUXT_NVENT_STORE_POSTGRES_LISTEN_CONNECTION.
    expect(storeSettings({ ...twice, listenConnection: 'postgres://db.test:5432/orders' }, env).options.listenConnection).toBe('postgres://db.test:5432/orders')
    expect(() => storeSettings(twice, {})).toThrow(/nventStorePostgres\.migrationConnection.*MIGRATE_URL/)
  })

  it('keep certificates that were read as buffers, and tell about functions', () => {
    const warn = vi.fn()
    const connection = { host: 'db.test', ssl: { ca: Buffer.from('-----BEGIN') }, log: () => {} }
    expect(settings({ connection }, { warn }).options.connection).toEqual({ host: 'db.test', ssl: { ca: '-----BEGIN' } })
    expect(warn).toHaveBeenCalledExactlyOnceWith(expect.stringContaining('nventStorePostgres.connection.log'))
  })

  it('of another adapter of nvent are not ours', () => {
    const nvent = { store: { adapter: 'redis', connection: { host: 'redis.test', password: 'x' } } }
    const config = toRuntimeConfig({}, build({ nvent }))
    expect(config.sources).toEqual([])
    expect(worksElsewhere(config)).toBe(true)
  })
})

describe('runtimeConfig.nventStorePostgres of the app', () => {
  const env = { DATABASE_URL: 'postgres://app:s3cret@db.test/orders' }
  const made = toRuntimeConfig({ prefix: 'shop', connection: 'pglite://memory' }, build())

  it('wins, without a secret of the environment, and may be merged again', () => {
    const once = mergeRuntimeConfig({ connection: env.DATABASE_URL, schema: 'app' }, made, env)
    const twice = mergeRuntimeConfig(once, toRuntimeConfig({}, build()), env)
    expect(JSON.stringify(once)).not.toContain('s3cret')
    expect(twice).toEqual(once)
    const { options, source } = storeSettings(twice, env)
    expect(options).toMatchObject({ connection: env.DATABASE_URL, schema: 'app', prefix: 'shop' })
    expect(source).toBe('runtimeConfig.nventStorePostgres.connection')
  })

  it('is what was made when it says nothing', () => {
    expect(mergeRuntimeConfig(undefined, made, env)).toEqual(made)
    expect(mergeRuntimeConfig({ connection: '' }, made, env)).toEqual(made)
  })
})

describe('whether nvent works on another store', () => {
  const config = (adapter?: string) => toRuntimeConfig({}, build({ nvent: { store: { adapter } } }))

  it('is what nvent.store.adapter says', () => {
    expect(worksElsewhere(toRuntimeConfig({}, build()))).toBe(false)
    expect(worksElsewhere(config('postgres'))).toBe(false)
    expect(worksElsewhere(config('memory'))).toBe(true)
  })

  it('follows nvent\'s runtime config', () => {
    expect(worksElsewhere(config('postgres'), { store: { adapter: 'redis' } })).toBe(true)
    expect(worksElsewhere(config('redis'), { store: { adapter: 'postgres' } })).toBe(false)
  })
})
