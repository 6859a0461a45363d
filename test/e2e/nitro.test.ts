import { join } from 'node:path'
import { build, createNitro, prepare } from 'nitropack'
import { beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase } from '../setup/database'
import { fixture, outside, startOutput } from './support'

describe('a plain Nitro project', () => {
  let output: string

  beforeAll(async () => {
    const directory = await outside('nitro')
    output = join(directory, '.output')
    const nitro = await createNitro({ rootDir: fixture('nitro'), buildDir: join(directory, '.nitro'), output: { dir: output }, logLevel: 1 })
    await prepare(nitro)
    await build(nitro)
    await nitro.close()
  })

  const order = {
    events: [{ type: 'order.placed', data: { total: 5 } }], entry: { id: 'a', metadata: { total: 5, version: 0 } }, cached: { total: 5 },
  }

  it('works on PostgreSQL', async () => {
    const database = await freshDatabase('pg18')
    const app = await startOutput(output, { env: { DATABASE_URL: database.url } })
    expect(await app.post('/order', { id: 'a', total: 5 })).toMatchObject(order)
    expect(await database.sql('select key from shop_kv')).toEqual([{ key: 'order:a' }])
    expect(app.logs()).toContain('from DATABASE_URL, schema public, prefix shop, migrated to version')
    expect(await app.stop()).toBe(0)
  })

  it('works on the embedded database', async () => {
    const app = await startOutput(output, { env: { NITRO_NVENT_STORE_POSTGRES_CONNECTION: 'pglite://memory' } })
    expect(await app.post('/order', { id: 'a', total: 5 })).toMatchObject(order)
    expect(app.logs()).toContain('pglite database memory from NITRO_NVENT_STORE_POSTGRES_CONNECTION')
  })
})
