import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Miniflare } from 'miniflare'
import { build, createNitro, prepare } from 'nitropack'
import { beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase, onFileEnd } from '../setup/database'
import { CONNECTIONS, filesWith, fixture, outside, until } from './support'

const COMPATIBILITY = '2025-07-15'

describe('a Nitro project built for Cloudflare', () => {
  let server: string

  beforeAll(async () => {
    const directory = await outside('cloudflare')
    const nitro = await createNitro({
      rootDir: fixture('nitro'), preset: 'cloudflare_module', cloudflare: { nodeCompat: true },
      buildDir: join(directory, '.nitro'), output: { dir: join(directory, '.output') }, logLevel: 1,
    })
    await prepare(nitro)
    await build(nitro)
    await nitro.close()
    server = join(directory, '.output/server')
  })

  it('holds the client for workers, and no embedded database', async () => {
    expect(await filesWith(server, 'CloudflareSocket')).not.toEqual([])
    expect(await filesWith(server, 'pglite.wasm')).toEqual([])
  })

  it('serves requests in the runtime of Cloudflare, one by one and at once, and leaves no connection', async () => {
    const database = await freshDatabase('pg18')
    const post = await startWorker(server, { NITRO_NVENT_STORE_POSTGRES_CONNECTION: database.url })
    for (const id of ['a', 'b']) expect(await post({ id, total: 5 })).toEqual(answerTo(id))
    const ids = Array.from({ length: 6 }, (_, at) => `at once ${at}`)
    expect(await Promise.all(ids.map(id => post({ id, total: 5 })))).toEqual(ids.map(answerTo))
    expect(await post({ id: '', total: 5 })).toMatchObject({ statusCode: 400 })
    expect(await database.sql('select count(*)::int as keys from shop_kv')).toEqual([{ keys: 8 }])
    await until(async () => (await database.sql<{ open: number }>(CONNECTIONS))[0]!.open, open => open === 0)
  })

  it('says what is missing when nothing names a database', async () => {
    const post = await startWorker(server, {})
    expect(await post({ id: 'a', total: 5 })).toMatchObject({ statusCode: 500 })
  })
})

const answerTo = (id: string) => ({
  events: [{ id: expect.any(String) as string, ts: expect.any(Number) as number, type: 'order.placed', data: { total: 5 } }],
  entry: { id, score: expect.any(Number) as number, metadata: { total: 5, version: 0 } },
  cached: { total: 5 },
})

/** Runs a built worker, and posts orders to it. */
async function startWorker(directory: string, bindings: Record<string, string>): Promise<(body: unknown) => Promise<unknown>> {
  const names = (await readdir(directory, { recursive: true })).filter(name => name.endsWith('.mjs'))
  // The first one is the entry.
  names.sort((a, b) => Number(b === 'index.mjs') - Number(a === 'index.mjs'))
  const modules = await Promise.all(names.map(async name => ({
    type: 'ESModule' as const, path: join(directory, name), contents: await readFile(join(directory, name), 'utf8'),
  })))
  const worker = new Miniflare({
    modules, modulesRoot: directory, bindings, compatibilityDate: COMPATIBILITY, compatibilityFlags: ['nodejs_compat'],
  })
  onFileEnd(() => worker.dispose())
  const url = await worker.ready
  return async (body) => {
    const response = await fetch(new URL('/order', url), {
      method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' },
    })
    return response.json()
  }
}
