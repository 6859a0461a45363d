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

  it('serves health and metrics, and has the task, as it was asked to', async () => {
    const database = await freshDatabase('pg18')
    const app = await startOutput(output, { env: { DATABASE_URL: database.url } })
    for (let n = 0; n < 3; n++) await app.post('/order', { id: 'a', total: n })
    expect(await app.post('/retention')).toMatchObject({ result: { busy: false, events: 2, rules: [{ subject: 'orders:*', action: 'archive', events: 2 }] } })
    expect(await database.sql('select count(*)::int as count from shop_events_archive')).toEqual([{ count: 2 }])

    const health = await fetch(`${app.url}/_store/health`)
    expect([health.status, health.headers.get('cache-control')]).toEqual([200, 'no-store'])
    expect(await health.json()).toMatchObject({ status: 'ok', checks: { database: { status: 'ok' }, pool: { max: 3 } } })

    const metrics = await fetch(`${app.url}/_store/metrics`)
    expect(metrics.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect((await metrics.text()).split('\n')).toEqual(expect.arrayContaining([
      'nvent_store_events_written_total 3', 'nvent_store_retention_events_total{action="archive"} 2',
      'nvent_store_operation_duration_seconds_count{operation="stream.append"} 3',
    ]))
  })

  it('answers 503 without a database, and shows no more than the code of the error', async () => {
    const app = await startOutput(output, {})
    const health = await fetch(`${app.url}/_store/health`)
    expect(health.status).toBe(503)
    expect(await health.json()).toMatchObject({ status: 'down', error: { code: 'INVALID_OPTION' } })
    expect((await fetch(`${app.url}/_store/metrics`)).status).toBe(200)
    const away = await startOutput(output, { env: { DATABASE_URL: 'postgres://somebody:s3cret@127.0.0.1:1/x' } })
    const answer = await fetch(`${away.url}/_store/health`)
    expect(answer.status).toBe(503)
    const text = await answer.text()
    expect(JSON.parse(text)).toMatchObject({ status: 'down' })
    expect(text).not.toMatch(/somebody|s3cret|127\.0\.0\.1/)
  })

  it('works on the embedded database', async () => {
    const app = await startOutput(output, { env: { NITRO_NVENT_STORE_POSTGRES_CONNECTION: 'pglite://memory' } })
    expect(await app.post('/order', { id: 'a', total: 5 })).toMatchObject(order)
    expect(app.logs()).toContain('pglite database memory from NITRO_NVENT_STORE_POSTGRES_CONNECTION')
  })
})
