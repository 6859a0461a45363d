import { once } from 'node:events'
import { Socket, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { toStoreError } from '../../src/runtime/core/db/errors'
import { createStore } from '../../src/runtime/core/index'

const quiet = { info: () => {}, warn: () => {}, error: () => {} }
const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** A server that answers every start with one error, as poolers and overloaded servers do. */
async function refusing(code: string, message: string): Promise<{ host: string, port: number }> {
  const fields = ['SFATAL', `C${code}`, `M${message}`].map(field => `${field}\0`).join('')
  const body = Buffer.from(`${fields}\0`)
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length + 4)
  const server = createServer(socket => socket.on('error', () => {}).once('data', () => socket.end(Buffer.concat([Buffer.from('E'), length, body]))))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanups.push(() => server.close())
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port }
}

async function failureOf(connection: object) {
  const store = createStore({ connection, connectTimeout: 0, logger: quiet })
  cleanups.push(() => store.close())
  return store.kv.get('a').then(() => expect.fail('resolved'), (error: unknown) => error)
}

describe('a connection that can\'t be had', () => {
  it.each([
    ['XX000', 'max client connections reached'], ['53300', 'too many clients'], ['57P03', 'the database system is starting up'], ['58000', 'could not fork'],
    ['08P01', 'server login has been failing'], ['P0001', 'no more'], ['0A000', 'not now'], ['55006', 'in use'], ['40001', 'x'], ['42P99', 'x'], ['57014', 'canceling authentication'],
  ])('for %s (%s) is CONNECTION, and may be tried again', async (code, message) => {
    expect(await failureOf(await refusing(code, message))).toMatchObject({ name: 'StoreError', code: 'CONNECTION', retryable: true, details: { sqlState: code } })
  })

  it.each([
    ['28P01', 'check user'], ['28000', 'check user'], ['3D000', 'create the database'], ['42501', 'grant'], ['42704', 'options'], ['22023', 'options'],
  ])('for %s says what has to change', async (code, advice) => {
    expect(await failureOf(await refusing(code, 'no'))).toMatchObject({
      name: 'StoreError', code: 'CONNECTION', retryable: false, message: expect.stringContaining(advice) as string,
    })
  })

  it.each([
    ['EMFILE', true], ['ENFILE', true], ['EPERM', true], ['EACCES', true], ['EADDRNOTAVAIL', true], ['ENOBUFS', true], ['EPROTO', true],
    ['ERR_SSL_WRONG_VERSION_NUMBER', true], ['ECONNREFUSED', true], ['ENOENT', true], [undefined, true],
    ['CERT_HAS_EXPIRED', false], ['SELF_SIGNED_CERT_IN_CHAIN', false],
  ])('because the system says %s is CONNECTION (may be tried again: %s)', async (code, retryable) => {
    const stream = () => Object.assign(new Socket(), {
      connect(this: Socket) {
        process.nextTick(() => this.emit('error', Object.assign(new Error('not to be had'), { code })))
        return this
      },
    })
    expect(await failureOf({ host: 'db.test', stream })).toMatchObject({ name: 'StoreError', code: 'CONNECTION', retryable })
  })

  it('because its password can\'t be had is CONNECTION', async () => {
    const { host, port } = await refusing('28P01', 'x')
    const server = createServer(socket => socket.on('error', () => {}).once('data', () => socket.write(Buffer.from([82, 0, 0, 0, 8, 0, 0, 0, 3]))))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    cleanups.push(() => server.close())
    const failing = async () => Promise.reject(new Error('the vault is away'))
    expect(await failureOf({ host, port: (server.address() as AddressInfo).port, password: failing })).toMatchObject({ code: 'CONNECTION', retryable: true })
    expect(port).toBeGreaterThan(0)
  })
})

describe('an error of a statement', () => {
  const answered = (code: string, severity = 'ERROR', more: object = { routine: 'exec' }) => toStoreError(Object.assign(new Error('no'), { code, severity, ...more }))

  it.each([
    ['53100', 'DATABASE', true], ['53200', 'DATABASE', true], ['53400', 'DATABASE', true], ['54000', 'INVALID_VALUE', false], ['08P01', 'INVALID_VALUE', false],
    ['57000', 'DATABASE', false], ['57014', 'TIMEOUT', true], ['28000', 'DATABASE', false], ['3D000', 'DATABASE', false], ['23514', 'DATABASE', false],
    ['58030', 'DATABASE', false], ['XX000', 'DATABASE', false], ['0A000', 'DATABASE', false], ['40001', 'DATABASE', true],
  ])('with %s is %s (may be tried again: %s)', (code, expected, retryable) => {
    expect(answered(code)).toMatchObject({ code: expected, retryable })
  })

  it.each(['57P01', '57P05', 'XX000', '58000', '08006', '08P01', 'P0001'])('with %s that ends the connection is CONNECTION', (code) => {
    expect(answered(code, 'FATAL')).toMatchObject({ code: 'CONNECTION', retryable: true })
  })

  it('of a pooler that lost the server is CONNECTION', () => {
    expect(answered('08P01', 'ERROR', {})).toMatchObject({ code: 'CONNECTION', retryable: true })
  })
})
