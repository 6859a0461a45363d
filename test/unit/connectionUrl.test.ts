import { describe, expect, it } from 'vitest'
import { createStore } from '../../src/runtime/core/index'
import type { StoreError } from '../../src/runtime/core/index'
import { toRuntimeConfig } from '../../src/options'
import { chooseConnection } from '../../src/runtime/connection'

const SECRET = 's3cr'

function refusalOf(make: () => unknown): StoreError {
  try {
    make()
  }
  catch (error) {
    return error as StoreError
  }
  throw new Error('nothing was refused')
}

const wrong: [what: string, url: string, hint: RegExp][] = [
  ['another database', `mysql://app:${SECRET}@db.test/app`, /scheme mysql:\/\/.*postgres:\/\//],
  ['a web address', `https://app:${SECRET}@db.test/app`, /scheme https:\/\//],
  ['no scheme', `app:${SECRET}@localhost:5432/db`, /no scheme.*postgres:\/\//],
  ['a host alone', 'localhost:5432/db', /no scheme/],
  ['one slash', `postgres:/app:${SECRET}@db.test/app`, /no scheme/],
  ['double quotes', `"postgres://app:${SECRET}@db.test/app"`, /without quotes/],
  ['single quotes', `'postgres://app:${SECRET}@db.test/app'`, /without quotes/],
  ['a quote at the end', `postgres://app:${SECRET}@db.test/app"`, /without quotes/],
  ['a space before', ` postgres://app:${SECRET}@db.test/app`, /white space/],
  ['a line end after', `postgres://app:${SECRET}@db.test/app\n`, /white space/],
  ['the parameter of Prisma', `postgres://app:${SECRET}@db.test/app?schema=public`, /option `schema`/],
  ['the parameter of Prisma among others', `postgresql://app:${SECRET}@db.test/app?sslmode=require&schema=shop`, /option `schema`/],
  ['@ in the password', `postgres://app:${SECRET}@t@db.test/app`, /%40/],
  ['# in the password', `postgres://app:${SECRET}#t@db.test/app`, /%23/],
  ['/ in the password', `postgres://app:${SECRET}/t@db.test/app`, /%2F/],
  ['/ behind digits', `postgres://app:12/${SECRET}@db.test/app`, /%2F/],
  ['? in the password', `postgres://app:${SECRET}?t@db.test/app`, /%3F/],
  ['? behind digits', `postgres://app:12?${SECRET}@db.test/app`, /%3F/],
  ['# behind digits', `postgres://app:12#${SECRET}@db.test/app`, /%23/],
  ['% in the password', `postgres://app:100%${SECRET}@db.test/app`, /%25/],
]

const right = [
  'postgres://app:s3cr%40t@db.test:5432/app?sslmode=require', 'postgresql://localhost/app', 'postgres://%2Fvar%2Frun/app', 'postgres:///app',
  'postgres://app@[::1]:5432/app', '/var/run/postgresql app', 'pglite://memory', 'POSTGRES://app:pw@db.test/app', 'postgres://app:pw@db.test/app?options=-c%20search_path%3Dx',
]

describe('a connection URL', () => {
  it.each(wrong)('is refused at once with %s', (_, url, hint) => {
    for (const [option, make] of [
      ['connection', () => createStore({ connection: url })],
      ['`connectionString`', () => createStore({ connection: { connectionString: url } })],
      ['migrationConnection', () => createStore({ connection: 'pglite://memory', migrationConnection: url })],
      ['listenConnection', () => createStore({ connection: 'pglite://memory', listenConnection: url })],
      ['DATABASE_URL', () => chooseConnection({ env: { DATABASE_URL: url } })],
      ['nventStorePostgres.connection', () => toRuntimeConfig({ connection: url }, { dev: true, rootDir: '/', env: {}, warn: () => {} })],
    ] as const) {
      const error = refusalOf(make)
      expect(error).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringMatching(hint) as string })
      expect(error.message).toContain(option)
      expect(error.message + JSON.stringify(error.details) + String(error.cause)).not.toContain(SECRET)
    }
  })

  it.each(right)('is taken: %s', async (url) => {
    expect(chooseConnection({ env: { DATABASE_URL: url } }).connection).toBe(url)
    await createStore({ connection: url }).close()
  })
})
