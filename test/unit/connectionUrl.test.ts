import { describe, expect, it } from 'vitest'
import { createStore } from '../../src/runtime/core/index'
import type { StoreError } from '../../src/runtime/core/index'
import { mergeRuntimeConfig, toRuntimeConfig } from '../../src/options/runtimeConfig'
import { chooseConnection } from '../../src/runtime/server/connection'

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
  ['% at the end of the password', `postgres://app:${SECRET}%@db.test/app`, /%25/],
  ['% in the user', `postgres://a%p:${SECRET}@db.test/app`, /%25/],
  ['% in the host', `postgres://app:${SECRET}@db%.test/app`, /%25/],
  ['% in the database', `postgres://app:${SECRET}@db.test/50%off`, /%25/],
  ['% in a parameter', `postgres://app:${SECRET}@db.test/app?application_name=100%`, /%25/],
  ['% in the parameter that is a password', `postgres://db.test/app?user=app&password=${SECRET}%zz`, /%25/],
  ['an escape that is no character', `postgres://app:${SECRET}%ff@db.test/app`, /%25/],
  ['% in the URL of a socket', `socket:/run/pg?db=a%&user=${SECRET}`, /%25/],
  ['a space that pg would misread the password for', `postgres://app:${SECRET}%2Ft@db.test/app?options=-c jit=off`, /%20/],
  ['= and ? in the password, behind digits', `postgres://app:12?${SECRET}=x@db.test/app`, /%3F/],
  ['? in the password, before a parameter', `postgres://app:12?a=${SECRET}@db.test/app`, /%3F/],
  ['a word for a port', `postgres://app:${SECRET}@db.test:port/app`, /port .*from 1 to 65535.*host:5432/],
  ['a variable that was not set for a port', `postgres://app:${SECRET}@db.test:undefined/app`, /port .*from 1 to 65535/],
  ['a port that is too large', `postgres://app:${SECRET}@db.test:99999/app`, /port .*from 1 to 65535/],
  ['the port 0', `postgres://app:${SECRET}@db.test:0/app`, /port .*from 1 to 65535/],
  ['a negative port', `postgres://app:${SECRET}@[::1]:-1/app`, /port .*from 1 to 65535/],
  ['a parameter for a wrong port', `postgres://app:${SECRET}@db.test/app?port=abc`, /port.*from 1 to 65535/],
  ['several hosts', `postgres://app:${SECRET}@one.test:5432,two.test:5432/app`, /several hosts/],
  ['& for ?', `postgres://app:${SECRET}@db.test/app&sslmode=require`, /the first follows a \?/],
  ['an empty sslmode', `postgres://app:${SECRET}@db.test/app?sslmode=`, /sslmode.*empty/],
  ['a wrong sslmode', `postgres://app:${SECRET}@db.test/app?sslmode=requir`, /sslmode.*verify-full/],
  ...['currentSchema', 'currentschema', 'current_schema', 'search_path', 'searchPath', 'SEARCH_PATH', 'Search%20Path', 'Schema', 'SCHEMA', 'shema', 'schema_search_path'].map(name =>
    [`the parameter ${name}`, `postgres://app:${SECRET}@db.test/app?sslmode=require&${name}=shop`, /option `schema`/] as [string, string, RegExp]),
  ...[
    ['sslmod', 'sslmode'], ['sslMode', 'sslmode'], ['SSLMODE', 'sslmode'], ['ssl_mode', 'sslmode'], ['ssl-mode', 'sslmode'], ['applicationName', 'application_name'],
    ['aplication_name', 'application_name'], ['hots', 'host'], ['pasword', 'password'], ['username', 'user'], ['option', 'options'], ['statment_timeout', 'statement_timeout'],
    ['sslrootcer', 'sslrootcert'], ['client_encodng', 'client_encoding'],
  ].map(([name, meant]) => [`the mistyped parameter ${name}`, `postgres://app@db.test/app?${name}=${SECRET}`, new RegExp(`${name}.*did you mean \`${meant}\``)] as [string, string, RegExp]),
  ...['max', 'idleTimeoutMillis', 'connectionTimeoutMillis', 'keepAlive', 'conectionTimeoutMillis'].map(name =>
    [`what is read of an object only: ${name}`, `postgres://app:${SECRET}@db.test/app?${name}=5`, /write an object, \{ connectionString/] as [string, string, RegExp]),
  ...['dbname', 'database'].map(name => [`the database as ${name}`, `postgres://app:${SECRET}@db.test?${name}=app`, /in the path/] as [string, string, RegExp]),
]

const right = [
  'postgres://app:s3cr%40t@db.test:5432/app?sslmode=require', 'postgresql://localhost/app', 'postgres://%2Fvar%2Frun/app', 'postgres:///app',
  'postgres://app@[::1]:5432/app', 'postgres://app@db.test:/app', 'socket:/var/run/postgresql?db=app&encoding=utf8', '/var/run/postgresql app', 'pglite://memory', 'POSTGRES://app:pw@db.test/app', 'postgres://app:pw@db.test/app?options=-c%20search_path%3Dx',
  'postgres://app:pw@db.test/app?options=-c jit=off', 'postgres://db.test/app?user=app@tenant&sslmode=require',
  // As providers and other clients write them: what pg does not read of them has no effect.
  'postgresql://app:pw@ep-cool-1234-pooler.eu-central-1.aws.neon.tech/neondb?sslmode=require&channel_binding=require',
  'postgres://app:pw@ep-cool-1234.neon.tech/neondb?sslmode=require&options=endpoint%3Dep-cool-1234&connect_timeout=15',
  'postgres://postgres.ref:pw@aws-0-eu-central-1.pooler.supabase.com:6543/postgres?pgbouncer=true&connection_limit=1&pool_timeout=20',
  'postgres://default:pw@db.vercel-storage.com:5432/verceldb?sslmode=require&supa=base-pooler.x&workaround=supabase-pooler.vercel',
  'postgres://app:pw@ec2-1.compute-1.amazonaws.com:5432/app?ssl=true', 'postgres://app:pw@db.rds.amazonaws.com/app?sslmode=no-verify',
  'postgresql://app:pw@/app?host=/cloudsql/project:region:instance', 'postgresql://app:pw@db.test:26257/app?sslmode=verify-full&options=--cluster%3Dx-1',
  'postgres://app:pw@db.test/app?target_session_attrs=read-write&gssencmode=disable&keepalives=1&keepalives_idle=30&sslcrl=x&sslsni=1&hostaddr=10.0.0.1',
  'postgres://app:pw@db.test/app?sslaccept=strict&statement_cache_size=0&socket_timeout=5&schemaless=1',
  'postgres://app:pw@db.test/app?pool=5&prepared_statements=false&timeout=5000&prepareThreshold=0&tcpKeepAlive=true&loginTimeout=5&idle_timeout=5',
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

  it.each(['connection', 'migrationConnection', 'listenConnection'])('is refused where the app is built, in its runtime config: %s', (name) => {
    const build = { dev: false, rootDir: '/', env: {}, warn: () => {} }
    for (const given of ['postgres://app@db.test/app?sslmod=require', { host: 'db.test', pasword: SECRET }, 'PGLITE://memory']) {
      expect(refusalOf(() => mergeRuntimeConfig({ [name]: given }, toRuntimeConfig({}, build), {})).message).toContain(`runtimeConfig.nventStorePostgres.${name}`)
      expect(refusalOf(() => toRuntimeConfig({ [name]: given }, build)).message).toContain(`nventStorePostgres.${name}`)
    }
  })

  it('of another kind than the store\'s own is refused at once, with both', () => {
    const [server, directory] = ['postgres://app@db.test/app', 'pglite://data']
    for (const name of ['migrationConnection', 'listenConnection']) {
      const refused = (connection: string, other: string | object) => expect(() => createStore({ connection, [name]: other })).toThrow(expect.objectContaining({
        code: 'INVALID_OPTION', details: { option: name }, message: expect.stringMatching(/embedded database pglite:.*leave/) as string,
      }) as Error)
      refused(server, directory)
      refused(directory, server)
      refused(directory, { host: 'db.test' })
      refused(directory, 'pglite://other')
      refused('pglite://memory', 'pglite://memory')
      expect(() => createStore({ pool: { connect() {}, query() {} } as never, [name]: directory })).toThrow(/embedded/)
    }
  })

  it('of the same database is taken beside the store\'s own', async () => {
    await createStore({ connection: 'pglite://data', migrationConnection: 'pglite://data', listenConnection: 'pglite://data' }).close()
    await createStore({ connection: 'postgres://app@db.test/app', migrationConnection: { host: 'db.test' }, listenConnection: 'postgres://db.test/app' }).close()
  })

  it.each(right)('is taken: %s', async (url) => {
    expect(chooseConnection({ env: { DATABASE_URL: url } }).connection).toBe(url)
    await createStore({ connection: url }).close()
  })
})
