import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { createStore } from '../../src/runtime/core/index'
import type { Store } from '../../src/runtime/core/index'
import { compiled } from '../setup/compiled'
import { freshDatabase } from '../setup/database'

const silent = { info: () => {}, warn: () => {}, error: () => {} }
// The attempts of both go on for longer than any test.
const PATIENCE = { connectTimeout: 3_600_000 }
const CONNECT_MS = 3_600_000

/** A host that takes connections and never says a word, and a port where nothing listens. */
let silence: Server
let ports: Record<string, number>
beforeAll(async () => {
  silence = createServer(socket => socket.on('error', () => socket.destroy())).listen(0, '127.0.0.1')
  const gone = createServer().listen(0, '127.0.0.1')
  await Promise.all([once(silence, 'listening'), once(gone, 'listening')])
  ports = { 'a host that never answers': portOf(silence), 'a port where nothing listens': portOf(gone) }
  gone.close()
})
afterAll(() => {
  silence.close()
})
const portOf = (server: Server) => (server.address() as AddressInfo).port
const connectionTo = (host: string) => ({ host: '127.0.0.1', port: ports[host]!, user: 'u', password: 'p', database: 'd', connectionTimeoutMillis: CONNECT_MS })

const CALLS: Record<string, (store: Store) => Promise<unknown>> = {
  'ready': store => store.ready(),
  'kv.set': store => store.kv.set('a', 1),
  'kv.list': store => store.kv.list(),
  'kv.clear': store => store.kv.clear('a*'),
  'stream.append': store => store.stream.append('a', { type: 'x' }),
  'stream.delete': store => store.stream.delete('a'),
  'stream.subscribe': store => store.stream.subscribe('a', () => {}),
  'stream.readAll': async store => store.stream.readAll()[Symbol.asyncIterator]().next(),
  'index.add': store => store.index.add('a', 'b', 1),
  'transaction': store => store.transaction(async () => 1),
}

describe.each(['a host that never answers', 'a port where nothing listens'])('a store that connects to %s', (host) => {
  it.each(Object.keys(CALLS))('is closed at once, and %s() that waits for it is told so', async (name) => {
    const store = createStore({ connection: connectionTo(host), logger: silent, ...PATIENCE })
    const told = CALLS[name]!(store).then(() => undefined, (error: unknown) => error)
    await new Promise(resolve => setTimeout(resolve, 50))
    await store.close()
    expect(await told).toMatchObject({ code: 'CLOSED' })
  })

  it.each(['connection', 'migrationConnection'])('lets a program end that has closed it: %s', async (option) => {
    const { url } = await freshDatabase('pg18')
    const program = start(`
      store.kv.set('a', 1).catch(error => console.log(error.code))
      setTimeout(() => store.close(), 1_000)
    `, { ...PATIENCE, connection: url, [option]: connectionTo(host) })
    expect(await program.ended).toBe(0)
    expect(program.logs()).toContain('CLOSED')
  })

  it('lets a program end at SIGTERM, which has heard meanwhile that it is not connected', async () => {
    const program = start(`
      process.once('SIGTERM', () => store.close())
      void announce({ store, source: 'DATABASE_URL', warnings: [], target: 'db.test:5432/app' }, console)
      store.kv.set('a', 1).catch(error => console.log(error.code))
    `, { connection: connectionTo(host), ...PATIENCE })
    await expect.poll(program.logs).toContain('still connecting to db.test:5432/app (connection from DATABASE_URL)')
    program.stop()
    expect(await program.ended).toBe(0)
    expect(program.logs()).toContain('CLOSED')
    expect(program.logs()).not.toMatch(/not started|unhandled/i)
  })
})

/** A program of its own with `store` and `announce`. */
function start(code: string, options: object) {
  const script = `
    const [, core, announcing, options] = process.argv
    import(core).then(async ({ createStore }) => {
      const { announce } = await import(announcing)
      const store = createStore(JSON.parse(options))
      ${code}
    })
  `
  const child = spawn(process.execPath, ['--eval', script, compiled('src/runtime/core/index.ts'), compiled('src/runtime/server/announce.ts'), JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'pipe'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  let logs = ''
  for (const out of [child.stdout, child.stderr]) out.on('data', (chunk: Buffer) => (logs += chunk.toString()))
  return { logs: () => logs, stop: () => child.kill('SIGTERM'), ended: once(child, 'close').then(([code]) => code as number | null) }
}
