import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server as Listener } from 'node:net'
import { inspect } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createStore } from '../../src/runtime/core/index'
import type { StoreOptions } from '../../src/runtime/core/options/types'
import type { Store } from '../../src/runtime/core/types'
import { embeddedBinaries, installedBinaries } from '../setup/binaries'
import { startServer } from '../setup/postgres'
import type { Server } from '../setup/postgres'
import { startProcess } from '../unit/peers'
import type { Peer } from '../unit/peers'

// A server of this file's own, which may be stopped and started.
let server: Server
let prefixes = 0
let logged: string[] = []
const stores: Store[] = []
const peers: Peer[] = []
const listeners: Listener[] = []

beforeAll(async () => {
  const bin = await embeddedBinaries().catch(async (error: unknown) => await installedBinaries() ?? Promise.reject(error as Error))
  server = await startServer(bin)
})

afterEach(async () => {
  await Promise.all(peers.splice(0).map(peer => peer.kill()))
  await Promise.all(stores.splice(0).map(store => store.close()))
  for (const listener of listeners.splice(0)) listener.close()
  logged = []
})

afterAll(() => server?.stop('immediate'))

/** Each test has tables of its own. */
const optionsOf = (options: StoreOptions = {}): StoreOptions => ({ connection: server.url, prefix: `p${prefixes++}`, ...options })

function open(options?: StoreOptions): Store {
  const log = (message: string, error?: unknown) => void logged.push(message, inspect(error))
  const store = createStore(optionsOf({ logger: { info: log, warn: log, error: log }, ...options }))
  stores.push(store)
  return store
}

async function listen(onConnection: Parameters<typeof createServer>[1]): Promise<number> {
  const listener = createServer({ allowHalfOpen: true }, onConnection!)
  listeners.push(listener)
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  return (listener.address() as AddressInfo).port
}

const urlOf = (change: (url: URL) => void): string => {
  const url = new URL(server.url)
  change(url)
  return url.href
}

describe('a database that is down when the store starts', () => {
  it('is waited for: the calls made meanwhile succeed once it is up', async () => {
    await server.halt()
    const store = open({ connectTimeout: 60_000 })
    const calls = [store.kv.increment('n'), store.kv.increment('n'), store.ready()]
    await server.start()
    await Promise.all(calls)
    expect(await store.kv.get('n')).toBe(2)
  })

  it('is an error after connectTimeout, and the store recovers by itself when it comes back', async () => {
    await server.halt()
    const store = open({ connectTimeout: 300 })
    const down = { code: 'CONNECTION', retryable: true, message: expect.stringMatching(/the database can't be reached: .*ECONNREFUSED/) as string }
    await expect(store.kv.get('a')).rejects.toMatchObject(down)
    await expect(store.stream.append('orders:1', { type: 'x' })).rejects.toMatchObject(down)
    await expect(store.ready()).rejects.toMatchObject(down)
    await server.start()
    await expect.poll(() => store.kv.set('a', 1).then(() => 'up', (error: { code: string }) => error.code), { interval: 100 }).toBe('up')
    expect(await store.ready()).toMatchObject({ driver: 'postgres' })
    expect(await store.kv.get('a')).toBe(1)
  })

  it('is not asked all the time: the pauses grow', async () => {
    let attempts = 0
    const port = await listen((socket) => {
      attempts++
      socket.destroy()
    })
    const store = open({ connection: `postgres://nobody:nothing@127.0.0.1:${port}/none`, connectTimeout: 3_000 })
    await expect(store.ready()).rejects.toMatchObject({ code: 'CONNECTION', retryable: true })
    expect(attempts).toBeGreaterThan(1)
    expect(attempts).toBeLessThan(8)
  })

  it('does not keep a store from closing: the calls that wait are told', async () => {
    await server.halt()
    const store = open({ connectTimeout: 600_000 })
    const calls = Promise.allSettled([store.kv.get('a'), store.transaction(async () => 1), store.ready()])
    await store.close()
    expect((await calls).map(call => call.status === 'rejected' ? (call.reason as { code: string }).code : call.status)).toEqual(['CLOSED', 'CLOSED', 'CLOSED'])
    await server.start()
  })
})

describe.each(['fast', 'immediate'] as const)('a server that is stopped (%s) and started again', (mode) => {
  it('costs a running store its connections, but neither its process nor a later call', async () => {
    const peer = await startProcess()
    peers.push(peer)
    await peer.ask('open', optionsOf({ poolSize: 5 }))
    await peer.ask('fill', 5)
    await server.halt(mode)
    await server.start()
    await peer.ask('set', 'a', 1)
    expect(await peer.ask('get', 'a')).toBe(1)
    await peer.ask('fill', 5)
    expect(await peer.ask('warned')).toContainEqual(expect.stringContaining('an idle database connection was lost'))
    await peer.ask('close')
  })

  it('fails the calls under way with an error that may be retried', async () => {
    const store = open()
    let running = () => {}
    const isRunning = new Promise<void>((resolve) => {
      running = resolve
    })
    const transaction = store.transaction(async (tx) => {
      await tx.kv.set('a', 'not committed')
      running()
      await tx.query('select pg_sleep(600)')
    })
    await isRunning
    await Promise.all([server.halt(mode), expect(transaction).rejects.toMatchObject({ code: 'CONNECTION', retryable: true })])
    await server.start()
    expect(await store.kv.get('a')).toBe(null)
  })
})

describe('a connection that the server refuses', () => {
  const SECRET = 's3cret-pass'
  const cases: [what: string, connection: () => StoreOptions['connection'], reason: RegExp][] = [
    ['a wrong password', () => urlOf(url => url.password = SECRET), /password authentication failed.*check user, password/],
    ['a wrong password in a configuration', () => {
      const url = new URL(server.url)
      return { host: url.hostname, port: Number(url.port), user: 'postgres', password: SECRET, database: 'postgres' }
    }, /password authentication failed/],
    ['a role that is not there', () => urlOf(url => Object.assign(url, { username: 'nobody', password: SECRET })), /password authentication failed for user "nobody"/],
    ['a database that is not there', () => urlOf(url => url.pathname = '/none'), /database "none" does not exist.*create the database first/],
  ]

  it.each(cases)('for %s is one clear error at once, without the password', async (_what, connection, reason) => {
    // Were it tried again, this would take an hour.
    const store = open({ connection: connection(), connectTimeout: 3_600_000 })
    const error = await store.kv.get('a').then(() => undefined, (error: Error) => error)
    expect(error).toMatchObject({ name: 'StoreError', code: 'CONNECTION', retryable: false, message: expect.stringMatching(reason) as string })
    const second = await store.ready().then(() => undefined, (error: Error) => error)
    expect(second?.message).toMatch(reason)
    const told = inspect([error, second, logged], { depth: 10, showHidden: true })
    expect(told).not.toContain(SECRET)
    expect(told).not.toContain(new URL(server.url).password)
  })

  it.each([
    ['no port', (url: string) => url.replace(/:\d+\/postgres$/, ':port/postgres')],
    ['no host', () => `postgres://user:${SECRET}@/%zz`],
  ])('for a URL that is none (%s) does not tell the password either', async (_what, change) => {
    const start = async () => open({ connection: change(urlOf(url => url.password = SECRET)), connectTimeout: 300 }).ready()
    const error = await start().then(() => undefined, (error: Error) => error)
    expect(error).toMatchObject({ name: 'StoreError', code: 'INVALID_OPTION' })
    expect(inspect([error, logged], { depth: 10, showHidden: true })).not.toContain(SECRET)
  })
})

it('a server that ends the connections while the store closes does not end the process', async () => {
  const port = await listen((client) => {
    const upstream = connect(server.port, '127.0.0.1')
    client.on('data', (chunk) => {
      if (!chunk.equals(TERMINATE)) return void upstream.write(chunk)
      client.end(ADMIN_SHUTDOWN)
      upstream.destroy()
    })
    upstream.on('data', chunk => client.write(chunk))
    client.on('error', () => upstream.destroy())
  })
  const peer = await startProcess()
  peers.push(peer)
  await peer.ask('open', optionsOf({ connection: urlOf(url => url.port = String(port)), poolSize: 3 }))
  await peer.ask('fill', 3)
  await peer.ask('close')
  await peer.ask('pause', 500)
  expect(await peer.ask('warned')).toBeInstanceOf(Array)
})

/** What a client says when it ends a connection, and a server that is shut down when it does. */
const TERMINATE = Buffer.from([0x58, 0, 0, 0, 4])
const fields = Buffer.from('SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0')
const ADMIN_SHUTDOWN = Buffer.concat([Buffer.from('E'), Buffer.from([0, 0, 0, fields.length + 4]), fields])
