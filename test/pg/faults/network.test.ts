import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { startProcess } from '../../unit/peers'
import { startLoad } from './load'
import { useOwnServer } from './own'

const { server, open, proxy: startProxy } = useOwnServer()

const PATIENCE = { timeout: 30_000 }

describe('a network', () => {
  it('that is cut under load, again and again, loses no acknowledged write', async () => {
    const proxy = await startProxy()
    const store = open({ connection: proxy.urlOf(server().url), poolSize: 6 })
    await store.ready()
    const load = startLoad(store)
    for (let round = 0; round < 6; round++) {
      await load.progress()
      proxy.cut()
    }
    await load.progress()
    await load.stop()
    expect(load.codes()).toEqual(['CONNECTION'])
    await load.check(store)
  })

  it('that is away for a while fails calls at once, and serves them when it is back', async () => {
    const proxy = await startProxy()
    const store = open({ connection: proxy.urlOf(server().url) })
    await store.ready()
    const load = startLoad(store)
    await load.progress()
    proxy.refuse(true)
    proxy.cut()
    await expect(store.kv.get('a')).rejects.toMatchObject({ code: 'CONNECTION', retryable: true, message: expect.stringMatching(/^kv\.get failed after [\d,]+ ms: /) as string })
    proxy.refuse(false)
    await load.progress()
    await load.stop()
    await load.check(store)
  })

  it('that is slow only makes calls slow', async () => {
    const proxy = await startProxy()
    const store = open({ connection: proxy.urlOf(server().url), poolSize: 4 })
    await store.ready()
    proxy.delay(15)
    const load = startLoad(store)
    await load.progress()
    await load.stop()
    expect(load.codes()).toEqual([])
    await load.check(store)
  })
})

describe.skipIf(process.platform !== 'linux')('an idle connection', () => {
  /** The timer that Linux runs for each connection to the server: 0 none, 2 keepalive. */
  async function timers(): Promise<number[]> {
    const port = server().port.toString(16).toUpperCase().padStart(4, '0')
    const lines = (await readFile('/proc/net/tcp', 'utf8')).trim().split('\n').slice(1).map(line => line.trim().split(/\s+/))
    return lines.filter(([, , remote, state]) => remote!.endsWith(`:${port}`) && state === '01').map(fields => Number(fields[5]!.split(':')[0]))
  }

  it.each([
    ['is watched by keepalive', {}, 2],
    ['is not when `connection` says so', { keepAlive: false }, 0],
  ])('%s', async (_what, settings, timer) => {
    const store = open({ connection: { connectionString: server().url, ...settings }, poolSize: 1 })
    await store.kv.get('a')
    await expect.poll(timers).toEqual([timer])
  })
})

describe('a half-open network, which takes packets and lets none through', () => {
  async function swallowed(options: { queryTimeout: number }) {
    const proxy = await startProxy()
    const connection = { connectionString: proxy.urlOf(server().url), connectionTimeoutMillis: 500 }
    const store = open({ connection, poolSize: 4, ...options })
    await store.ready()
    return { proxy, store }
  }

  it('fails calls after queryTimeout, and the store recovers on new connections', async () => {
    const { proxy, store } = await swallowed({ queryTimeout: 400 })
    const load = startLoad(store)
    await load.progress()
    proxy.swallow(true)
    await expect.poll(load.codes, PATIENCE).toEqual(['CONNECTION', 'TIMEOUT'])
    proxy.swallow(false)
    await load.progress()
    await load.stop()
    await load.check(store)
  })

  it('is told from a slow statement: the outcome is not known, the connection is given up', async () => {
    const { proxy, store } = await swallowed({ queryTimeout: 300 })
    await store.kv.set('a', 1)
    proxy.swallow(true)
    await expect(store.kv.set('a', 2)).rejects.toMatchObject({
      code: 'TIMEOUT', retryable: true, message: expect.stringMatching(/^kv\.set failed after [\d,]+ ms: .*whether the statement was carried out is not known/) as string,
      details: { operation: 'kv.set' },
    })
    proxy.swallow(false)
    await expect.poll(() => store.kv.get('a'), PATIENCE).toBeOneOf([1, 2])
  })

  it('gives up a transaction without waiting for its rollback as well', async () => {
    const { proxy, store } = await swallowed({ queryTimeout: 300 })
    const work = store.transaction(async (tx) => {
      await tx.kv.set('a', 1)
      proxy.swallow(true)
      await tx.kv.set('b', 1)
    })
    await expect(work).rejects.toMatchObject({ code: 'TIMEOUT', details: { operation: 'kv.set' } })
    proxy.swallow(false)
    await expect.poll(() => store.kv.get('a').then(value => ({ value }), () => 'not yet'), PATIENCE).toEqual({ value: null })
  })

  it('keeps neither a store from closing nor its process from ending', async () => {
    const proxy = await startProxy()
    const peer = await startProcess()
    try {
      await peer.ask('open', { connection: proxy.urlOf(server().url), prefix: 'closing', poolSize: 3 })
      await peer.ask('fill', 3)
      expect(await peer.ask('sockets')).toBe(3)
      proxy.swallow(true)
      await peer.ask('close')
      expect(await peer.ask('sockets')).toBe(0)
    }
    finally {
      await peer.kill()
    }
  })
})
