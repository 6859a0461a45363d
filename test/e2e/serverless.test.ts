import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setup, useTestContext } from '@nuxt/test-utils/e2e'
import { describe, expect, it } from 'vitest'
import { freshDatabase } from '../setup/database'
import { CONNECTIONS, filesWith, fixture, noDatabase, outside, SETUP_LIMIT, until } from './support'

const output = await outside('vercel')

/** What the platform does with a function: calls it for a request, and stops its process between two of them. */
const PLATFORM = `
  const { createServer } = require('node:http')
  import(process.argv[1]).then(({ default: handler }) => {
    const server = createServer(handler).listen(0, '127.0.0.1', () => process.send(server.address().port))
    process.on('message', () => {
      server.close()
      server.closeAllConnections()
      process.disconnect()
    })
  })
`

async function startFunction(entry: string, env: Record<string, string>) {
  const child = spawn(process.execPath, ['--eval', PLATFORM, entry], {
    env: { ...process.env, ...noDatabase, ...env } as NodeJS.ProcessEnv, stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  let logs = ''
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (chunk: Buffer) => logs += chunk.toString())
  const ended = once(child, 'exit')
  const [port] = await Promise.race([once(child, 'message'), ended.then(() => Promise.reject(new Error(logs)))]) as [number]
  return {
    logs: () => logs,
    async post<T>(path: string, body: unknown = {}): Promise<T> {
      child.kill('SIGCONT')
      const response = await fetch(`http://127.0.0.1:${port}${path}`, {
        method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' },
      })
      const answer = await response.json() as T
      child.kill('SIGSTOP')
      return answer
    },
    /** Serves no more: the process ends when nothing keeps it. */
    async end(): Promise<number | null> {
      child.kill('SIGCONT')
      child.send('end')
      return (await ended)[0] as number | null
    },
  }
}

describe('a Nuxt app built for Vercel', async () => {
  await setup({
    rootDir: fixture('basic'), server: false, build: true, setupTimeout: SETUP_LIMIT,
    nuxtConfig: { nitro: { preset: 'vercel', output: { dir: output } } },
  })

  it('leaves no connection open when its process stands still between requests, and nothing that keeps it', async () => {
    expect(useTestContext().nuxt!.options.nitro.preset).toBe('vercel')
    const database = await freshDatabase('pg18')
    const open = async () => (await database.sql<{ open: number }>(CONNECTIONS))[0]!.open
    // The one of `sql` itself.
    await database.sql('select 1')
    const before = await open()
    const app = await startFunction(join(output, 'functions/__fallback.func/index.mjs'), { DATABASE_URL: database.url })
    for (let count = 1; count <= 5; count++) {
      expect(await app.post('/api/count')).toEqual({ count, same: true })
      expect(await open()).toBe(before)
    }
    expect(await app.post<{ count: number }>('/api/order', { id: 'a', total: 1 })).toMatchObject({ count: 1 })
    expect(await open()).toBe(before)
    // A request that fails, and one that comes after it.
    expect(await app.post('/api/order', { id: '', total: 1 })).toMatchObject({ statusCode: 400 })
    expect(await app.post('/api/count')).toEqual({ count: 6, same: true })
    expect(await open()).toBe(before)
    expect(await app.end()).toBe(0)
  })

  it('starts no consumer: a route runs it once, and leaves nothing behind', async () => {
    const database = await freshDatabase('pg18')
    const app = await startFunction(join(output, 'functions/__fallback.func/index.mjs'), { DATABASE_URL: database.url })
    for (const id of ['a', 'b', 'c']) await app.post('/api/order', { id, total: 2 })
    expect(await database.sql('select consumer from nvent_consumers')).toEqual([])
    expect(await app.post('/api/handled', { run: true })).toEqual({ result: { handled: 3, caughtUp: true }, orders: 3, last: 200, total: null })
    expect(await app.post('/api/handled', { run: true })).toEqual({ result: { handled: 0, caughtUp: true }, orders: 3, last: 200, total: null })
    expect(await database.sql('select shard from nvent_consumer_shards where owner is not null')).toEqual([])
    expect(await database.sql('select member from nvent_consumer_members')).toEqual([])
    expect(await database.sql(CONNECTIONS)).toEqual([{ open: 0 }])
    expect(await app.end()).toBe(0)
  })

  it('keeps inline projections, also in an instance that has started none', async () => {
    const database = await freshDatabase('pg18')
    const start = () => startFunction(join(output, 'functions/__fallback.func/index.mjs'), { DATABASE_URL: database.url })
    const first = await start()
    await first.post('/api/order', { id: 'a%1', total: 2 })
    await until(() => first.post<{ total: unknown }>('/api/handled', { run: true }), ({ total }) => total !== null)
    expect(await first.end()).toBe(0)
    const second = await start()
    await second.post('/api/order', { id: 'a%1', total: 3 })
    expect(await database.sql('select key, state from nvent_projection_states')).toEqual([{ key: 'orders:a%1', state: { total: 5 } }])
    expect(await second.end()).toBe(0)
  })

  it('has no embedded database in it', async () => {
    expect(await filesWith(output, 'pglite.wasm')).toEqual([])
  })
})
