import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { toRuntimeConfig, withoutSecrets } from '../../src/options/runtimeConfig'
import type { BuildContext, ModuleOptions } from '../../src/options/runtimeConfig'
import { isStoreError } from '../../src/runtime/core/shared/errors'
import { writtenConfig } from '../../src/options/written'

// Made here, so that no file of the repository holds it.
const secret = ['Tr0ub4dor', '3 p@ss/word'].join('&')
const env = {
  DB_PASS: secret,
  SHORT_PASS: 'pw1',
  NPM_TOKEN: 'f00dfeedcafe0123',
  TLS_KEY: '-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADANBg\\n-----END PRIVATE KEY-----\\n',
  CLIENT_PEM: '-----BEGIN CERTIFICATE-----\nMIIBcert\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nMIIEbeside\n-----END PRIVATE KEY-----',
  PRIMARY: 'postgres://app:s3cr%2Ft-of-url@db.test/orders',
  VAULT: JSON.stringify({ user: 'app', password: 'from-the-vault' }),
  ENCODED_PASS: Buffer.from('was-encoded').toString('base64'),
  POSTGRES_PASSWORD: 'postgres',
  POSTGRES_DB: 'orders',
  NODE_ENV: 'production',
}

const base64 = (text: string) => Buffer.from(text).toString('base64')
const build = (given: Partial<BuildContext> = {}): BuildContext => ({ dev: false, rootDir: '/app', env, warn: () => {}, ...given })

function refusalOf(options: ModuleOptions, given?: Partial<BuildContext>): { option: unknown, variable: unknown } {
  try {
    toRuntimeConfig(options, build(given))
  }
  catch (error) {
    if (!isStoreError(error) || error.code !== 'INVALID_OPTION') throw error
    expect(error.message).toContain('NUXT_NVENT_STORE_POSTGRES_CONNECTION')
    for (const value of [secret, encodeURIComponent(secret), base64(secret)]) expect(error.message + JSON.stringify(error.details)).not.toContain(value)
    return error.details as { option: unknown, variable: unknown }
  }
  throw new Error('nothing was refused')
}

describe('a build is refused when a connection holds a value of the environment', () => {
  it.each<[how: string, variable: string, connection: unknown]>([
    ['as a parameter of the URL', 'DB_PASS', `postgres://db/app?user=u&password=${encodeURIComponent(secret)}`],
    ['as a short one', 'SHORT_PASS', 'postgres://db/app?user=u&password=pw1'],
    ['with text added', 'DB_PASS', { password: `${secret}!` }],
    ['with text before it', 'DB_PASS', `postgres://app:x-${encodeURIComponent(secret)}@db/app`],
    ['trimmed', 'SPACED_PASS', { password: 'with space around' }],
    ['in lower case', 'DB_PASS', { password: secret.toLowerCase() }],
    ['percent-encoded', 'DB_PASS', { password: encodeURIComponent(secret) }],
    ['percent-encoded twice', 'DB_PASS', { password: encodeURIComponent(encodeURIComponent(secret)) }],
    ['as base64', 'DB_PASS', { password: base64(secret) }],
    ['as base64 of more', 'DB_PASS', { password: base64(`app:${secret}`) }],
    ['as base64url', 'DB_PASS', { password: Buffer.from(secret).toString('base64url') }],
    ['as hex', 'DB_PASS', { password: Buffer.from(secret).toString('hex') }],
    ['decoded', 'ENCODED_PASS', { password: 'was-encoded' }],
    ['cut', 'DB_PASS', { password: secret.slice(2, 12) }],
    ['as a key with its line ends', 'TLS_KEY', { ssl: { key: env.TLS_KEY.replaceAll('\\n', '\n') } }],
    ['as a key in an array', 'TLS_KEY', { ssl: { key: [{ pem: `${env.TLS_KEY}\n` }] } }],
    ['as a certificate with its key', 'CLIENT_PEM', { ssl: { cert: `${env.CLIENT_PEM}\n` } }],
    ['as a key among certificates of authorities', 'CLIENT_PEM', { ssl: { ca: [`${env.CLIENT_PEM} `] } }],
    ['as the passphrase of a key', 'DB_PASS', { ssl: { passphrase: `${secret} ` } }],
    ['as the whole URL with text added', 'PRIMARY', `${env.PRIMARY}?sslmode=require`],
    ['as a URL with another database', 'PRIMARY', env.PRIMARY.replace('/orders', '/other')],
    ['as a member of a URL', 'PRIMARY', { host: 'db', password: 's3cr/t-of-url' }],
    ['as a connectionString with text added', 'PRIMARY', { connectionString: `${env.PRIMARY}?sslmode=require` }],
    ['as a member of JSON', 'VAULT', { password: 'from-the-vault' }],
    ['as the user', 'NPM_TOKEN', { user: `token:${env.NPM_TOKEN}` }],
    ['in the host', 'NPM_TOKEN', `postgres://${env.NPM_TOKEN}.db.test/app`],
    ['in options of the server', 'NPM_TOKEN', { options: `-c app.token=${env.NPM_TOKEN}` }],
    ['in a list', 'NPM_TOKEN', { types: ['a', env.NPM_TOKEN] }],
    ['beside a password that is read at run time', 'NPM_TOKEN', `postgres://app:pw1@db.test/app?application_name=${env.NPM_TOKEN}`],
  ])('%s', (_, variable, connection) => {
    const given = { env: { ...env, SPACED_PASS: ' with space around\n' } }
    const options = { connection } as ModuleOptions
    expect(refusalOf(options, given)).toMatchObject({ option: expect.stringMatching(/^nventStorePostgres\.connection/) as string, variable })
    // The same for every connection there is.
    expect(refusalOf({ migrationConnection: options.connection }, given)).toMatchObject({ option: expect.stringMatching(/^nventStorePostgres\.migrationConnection/) as string })
    expect(refusalOf({ listenConnection: options.connection }, given)).toMatchObject({ option: expect.stringMatching(/^nventStorePostgres\.listenConnection/) as string })
    expect(refusalOf({}, { ...given, nvent: { store: { connection } } })).toMatchObject({ option: expect.stringMatching(/^nvent\.store\.connection/) as string })
    expect(refusalOf({}, { ...given, nvent: { connections: { postgres: connection } } })).toMatchObject({ option: expect.stringMatching(/^nvent\.connections\.postgres/) as string })
  })

  it('in any other option', () => {
    expect(refusalOf({ connection: 'pglite://memory', prefix: env.NPM_TOKEN })).toEqual({ option: 'nventStorePostgres.prefix', variable: 'NPM_TOKEN' })
    expect(refusalOf({ health: `/_health/${env.NPM_TOKEN}` })).toEqual({ option: 'nventStorePostgres.health', variable: 'NPM_TOKEN' })
  })
})

describe('a build is not refused', () => {
  it.each<[what: string, connection: unknown]>([
    ['a variable as it is', env.PRIMARY],
    ['a password as it is', { host: 'db.test', password: secret }],
    ['a password in its place of a URL', `postgres://app:${encodeURIComponent(secret)}@db.test/orders`],
    ['a password with the name of the host, the user and the database', 'postgres://postgres:postgres@postgres:5432/postgres'],
    ['names that are no secrets', { host: 'orders.db.test', user: 'orders', database: 'orders' }],
    ['a local database', 'postgres://localhost/orders'],
    ['a password the environment does not hold', 'postgres://app:only-here@localhost/orders'],
    ['a certificate', { host: 'db.test', ssl: { ca: '-----BEGIN CERTIFICATE-----' } }],
  ])('for %s', (_, connection) => {
    const config = toRuntimeConfig({ connection } as ModuleOptions, build())
    expect(JSON.stringify(config)).not.toContain(secret)
  })

  it('in development, where nothing is built', () => {
    expect(() => toRuntimeConfig({ connection: `${env.PRIMARY}?sslmode=require` }, build({ dev: true }))).not.toThrow()
    expect(() => toRuntimeConfig({ connection: `${env.PRIMARY}?sslmode=require` }, build({ baked: false }))).not.toThrow()
  })
})

describe('what stands in the config file', () => {
  const directory = mkdtempSync(join(tmpdir(), 'nvent-store-written-'))
  const file = join(directory, 'nuxt.config.ts')
  afterAll(() => rmSync(directory, { recursive: true }))
  writeFileSync(file, `
    const password = 'it\\'s mine'
    export default defineNuxtConfig({
      nventStorePostgres: { connection: 'postgres://postgres:written-down@localhost/postgres?password=pw1' },
      other: \`postgres://\${user}:in-a-template@localhost/app\`,
    })`)
  const context = (connection: unknown) => build({ written: writtenConfig([file, undefined, join(directory, 'absent')], [{ nventStorePostgres: { connection } }], ['nventStorePostgres']) })
  const refused = (connection: unknown) => refusalOf({ connection } as ModuleOptions, context(connection))
  const kept = (connection: unknown) => toRuntimeConfig({ connection } as ModuleOptions, context(connection)).sources[0]?.connection

  it.each([
    'postgres://postgres:written-down@localhost/postgres?password=pw1',
    'postgres://app:in-a-template@localhost/app',
    { host: 'localhost', password: 'it\'s mine' },
  ])('is kept: %j', (connection) => {
    expect(kept(connection)).toEqual(connection)
  })

  it.each([
    ['a password that was computed', { password: 'cba-321' }],
    ['a password in a URL that was computed', 'postgres://app:cba-321@localhost/app'],
    ['a password among the parameters', 'postgres://localhost/app?password=cba-321'],
    ['a key that was read from a file', { ssl: { key: Buffer.from('-----BEGIN PRIVATE KEY-----') } }],
  ])('is asked for instead of %s', (_, connection) => {
    expect(refused(connection)).toMatchObject({ option: expect.stringMatching(/^nventStorePostgres\.connection/) as string })
  })

  it('says nothing of what a program gives beside the file', () => {
    const elsewhere = build({ written: writtenConfig([file], [{}], ['nventStorePostgres']) })
    expect(() => toRuntimeConfig({ connection: { password: 'cba-321' } }, elsewhere)).not.toThrow()
  })
})

describe('nvent\'s own copy of its options', () => {
  it('is left without what stays in the environment', () => {
    const nvent = { store: { adapter: 'postgres', prefix: 'nq', connection: env.PRIMARY }, connections: { postgres: { host: 'db.test', password: secret }, redis: { password: secret } } }
    expect(withoutSecrets(nvent, env)).toEqual({
      store: { adapter: 'postgres', prefix: 'nq', connection: '' },
      connections: { postgres: { host: 'db.test', password: '' }, redis: { password: secret } },
    })
    expect(withoutSecrets({ store: { adapter: 'redis', connection: env.PRIMARY } }, env)).toEqual({ store: { adapter: 'redis', connection: env.PRIMARY } })
    expect(() => withoutSecrets({ connections: { postgres: `${env.PRIMARY}?a=b` } }, env)).toThrow(/nvent\.connections\.postgres.*PRIMARY/)
  })
})
