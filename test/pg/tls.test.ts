import { readFile } from 'node:fs/promises'
import { inspect } from 'node:util'
import type { PoolConfig } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { StoreOptions } from '../../src/runtime/core/options/types'
import { embeddedBinaries, installedBinaries } from '../setup/binaries'
import { hasOpenssl, makeCertificates } from '../setup/certificates'
import type { Certificates } from '../setup/certificates'
import { openStore } from '../setup/database'
import { startServer } from '../setup/postgres'
import type { Server } from '../setup/postgres'

const canSign = await hasOpenssl()

describe.skipIf(!canSign)('TLS', () => {
  let server: Server
  let certificates: Certificates
  let ca: string

  beforeAll(async () => {
    certificates = await makeCertificates('localhost')
    ca = await readFile(certificates.ca, 'utf8')
    // The npm package's server has no OpenSSL on some platforms.
    server = await startServer(await installedBinaries() ?? await embeddedBinaries(), certificates.settings)
  })
  afterAll(async () => {
    await server?.stop('immediate')
    await certificates?.remove()
  })

  const at = (host: string, query = '') => `postgres://postgres:nvent-test@${host}:${server.port}/postgres${query}`
  const withSsl = (host: string, ssl: PoolConfig['ssl']): PoolConfig => ({ connectionString: at(host), ssl })

  const verified: [how: string, connection: () => StoreOptions['connection']][] = [
    ['ssl.ca of a configuration', () => withSsl('localhost', { ca })],
    ['sslmode=verify-full and sslrootcert in the URL', () => at('localhost', `?sslmode=verify-full&sslrootcert=${encodeURIComponent(certificates.ca)}`)],
    ['another name that is asked for', () => withSsl('127.0.0.1', { ca, servername: 'localhost', checkServerIdentity: () => undefined })],
  ]

  it.each(verified)('is used and the certificate verified with %s', async (_how, connection) => {
    const store = openStore({ connection: connection() })
    expect(await store.transaction(async tx => (await tx.query('select ssl from pg_stat_ssl where pid = pg_backend_pid()')).rows)).toEqual([{ ssl: true }])
    await store.close()
  })

  const CA = /certificate was refused: `ssl\.ca` has to hold the authority/
  const refused: [what: string, connection: () => StoreOptions['connection'] | Promise<PoolConfig>, reason: RegExp][] = [
    ['no authority is named', () => withSsl('localhost', true), CA],
    ['another authority is named', async () => withSsl('localhost', { ca: await readFile(certificates.otherCa, 'utf8') }), CA],
    ['another authority is named in the URL', () => at('localhost', `?sslmode=verify-full&sslrootcert=${encodeURIComponent(certificates.otherCa)}`), CA],
    ['the host is none of its names', () => withSsl('127.0.0.1', { ca }), /127\.0\.0\.1.*the host has to be one of its names/],
  ]

  it.each(refused)('is one clear error at once when %s', async (_what, connection, reason) => {
    // Were it tried again, this would take an hour.
    const store = openStore({ connection: await connection(), connectTimeout: 3_600_000 })
    const error: unknown = await store.kv.get('a').then(() => undefined, (failure: unknown) => failure)
    expect(error).toMatchObject({ name: 'StoreError', code: 'CONNECTION', retryable: false, message: expect.stringMatching(reason) as string })
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('nvent-test')
  })

  it('that the server does not have is said, too', async () => {
    const plain = await startServer(await embeddedBinaries())
    const store = openStore({ connection: { connectionString: plain.url, ssl: { ca } }, connectTimeout: 3_600_000 })
    await expect(store.ready()).rejects.toMatchObject({ code: 'CONNECTION', retryable: false, message: expect.stringContaining('does not support SSL') as string })
    await store.close()
    await plain.stop('immediate')
  })
})
