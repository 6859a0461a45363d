import { describe, expect, it } from 'vitest'
import { keepReferences, resolveReferences } from '../../src/runtime/server/references'

const URL = 'postgres://app:s3cret@db.test/orders'
const roundTrip = (value: unknown, env: Record<string, string>) => resolveReferences(keepReferences(value, env), env, 'connection')

describe('what the build keeps of a connection', () => {
  it('is the name of the variable in place of a whole URL', () => {
    expect(keepReferences(URL, { DATABASE_URL: URL })).toEqual({ $env: ['DATABASE_URL'] })
    expect(keepReferences({ connectionString: URL, max: 20 }, { DATABASE_URL: URL }))
      .toEqual({ connectionString: { $env: ['DATABASE_URL'] }, max: 20 })
  })

  it('is the name of the variable in place of passwords and keys, at any depth', () => {
    const env = { POSTGRES_PASSWORD: 's3cret', TLS_KEY: '-----BEGIN' }
    expect(keepReferences({ host: 'db.test', password: 's3cret', ssl: { key: '-----BEGIN', ca: ['-----BEGIN'] } }, env)).toEqual({
      host: 'db.test', password: { $env: ['POSTGRES_PASSWORD'] }, ssl: { key: { $env: ['TLS_KEY'] }, ca: ['-----BEGIN'] },
    })
  })

  it.each([
    ['plain', 's3cret', 's3cret'],
    ['percent-encoded', 'p@ss/word', 'p%40ss%2Fword'],
    ['with an @ in it', 'p@ss', 'p@ss'],
  ])('holds no password that stands in a URL, %s', (_, password, written) => {
    const url = `postgres://app:${written}@db.test/orders?sslmode=require`
    const kept = keepReferences(url, { PGPASSWORD: password })
    expect(JSON.stringify(kept)).not.toContain(written)
    expect(resolveReferences(kept, { PGPASSWORD: password }, 'connection')).toBe(url)
    expect(resolveReferences(kept, { PGPASSWORD: 'rotated' }, 'connection')).toBe('postgres://app:rotated@db.test/orders?sslmode=require')
  })

  it('stays as it is where the environment does not hold it', () => {
    const connection = { host: 'localhost', user: 'app', password: 'written down', port: 5432, ssl: false }
    expect(keepReferences(connection, { HOST: 'localhost', APP: 'app', PORT: '5432' })).toEqual(connection)
    expect(keepReferences(URL, {})).toBe(URL)
  })

  it('is the name of the variable in place of a host, user or database that is not written in the config', () => {
    const env = { DB_HOST: 'db.test', DB_USER: 'app', DB_NAME: 'orders', USER: 'me' }
    const connection = { host: 'db.test', user: 'app', database: 'orders', port: 5432 }
    expect(keepReferences(connection, env, text => text === 'app')).toEqual({
      host: { $env: ['DB_HOST'] }, user: 'app', database: { $env: ['DB_NAME'] }, port: 5432,
    })
    expect(keepReferences({ host: 'other.test', user: 'me' }, env, () => false)).toEqual({ host: 'other.test', user: 'me' })
    const kept = keepReferences(connection, env, () => false)
    expect(resolveReferences(kept, { ...env, DB_HOST: 'db.live' }, 'connection')).toEqual({ ...connection, host: 'db.live' })
  })

  it('ignores variables that every shell sets, and prefers telling names', () => {
    expect(keepReferences({ password: 'postgres' }, { USER: 'postgres', LOGNAME: 'postgres' })).toEqual({ password: 'postgres' })
    expect(keepReferences({ password: 'postgres' }, { THING: 'postgres', PGPASSWORD: 'postgres', DB_PASS: 'postgres' }))
      .toEqual({ password: { $env: ['DB_PASS', 'PGPASSWORD'] } })
    expect(keepReferences({ password: 'postgres' }, { THING: 'postgres' })).toEqual({ password: { $env: ['THING'] } })
  })

  it('is whole again at run time', () => {
    const env = { DATABASE_URL: URL, PGPASSWORD: 's3cret' }
    for (const connection of [URL, { connectionString: URL, max: 3 }, { password: 's3cret', ssl: { rejectUnauthorized: false } }]) {
      expect(roundTrip(connection, env)).toEqual(connection)
    }
  })

  it('names the option and the variables when they are gone', () => {
    const kept = keepReferences({ ssl: { key: 'k' } }, { TLS_KEY: 'k', OTHER_KEY: 'k' })
    expect(() => resolveReferences(kept, {}, 'nventStorePostgres.connection'))
      .toThrow(/`nventStorePostgres\.connection\.ssl\.key`.*OTHER_KEY, TLS_KEY/)
  })
})
