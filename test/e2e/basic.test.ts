import { once } from 'node:events'
import { cp } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setup, useTestContext } from '@nuxt/test-utils/e2e'
import { describe, expect, it } from 'vitest'
import { embeddedBinaries } from '../setup/binaries'
import { freshDatabase, hasServer, onFileEnd } from '../setup/database'
import { startServer } from '../setup/postgres'
import { fixture, outside, startOutput, until, SETUP_LIMIT } from './support'
import type { App, AppOptions } from './support'

interface Order {
  events: { id: string, type: string, data: unknown }[]
  entry: { id: string, metadata: unknown }
  cached: unknown
  count: number
}

describe('the output of `nuxt build`, copied out of the repository', async () => {
  await setup({ rootDir: fixture('basic'), server: false, build: true, setupTimeout: SETUP_LIMIT })

  const output = () => useTestContext().nuxt!.options.nitro.output!.dir!

  async function start(env: AppOptions['env']): Promise<App> {
    const copy = join(await outside('output'), '.output')
    await cp(output(), copy, { recursive: true, verbatimSymlinks: true })
    return startOutput(copy, { env })
  }

  async function placesOrders(app: App): Promise<void> {
    const order = await app.post<Order>('/api/order', { id: 'a%1', total: 9.5 })
    expect(order).toMatchObject({
      events: [{ type: 'order.placed', data: { total: 9.5 } }],
      entry: { id: 'a%1', metadata: { status: 'placed', total: 9.5, stats: { seen: 1 }, version: 1 } },
      cached: { id: 'a%1', total: 9.5 },
      count: 1,
    })
    expect(await app.post('/api/count')).toEqual({ count: 1, same: true })
    // By the files in server/consumers and server/projections, which nothing in the app starts.
    expect(await app.post('/api/handled')).toEqual({ orders: 1, last: 950, total: { total: 9.5 } })
  }

  it('works on the embedded database, and again after a restart', async () => {
    const directory = join(await outside('data'), 'nested/store')
    const env = { NUXT_NVENT_STORE_POSTGRES_CONNECTION: `pglite://${directory}` }
    const first = await start(env)
    await placesOrders(first)
    expect(await first.stop()).toBe(0)
    const second = await start(env)
    expect(await second.post('/api/count')).toEqual({ count: 2, same: true })
    await until(second.logs, logs => logs.includes('nvent-store-postgres'))
    expect(second.logs()).toContain(`pglite database ${directory} from NUXT_NVENT_STORE_POSTGRES_CONNECTION, schema public, prefix nvent, at version`)
  })

  it('works on PostgreSQL, in the schema and under the prefix of the environment', async () => {
    const database = await freshDatabase('pg18')
    const url = new URL(database.url)
    const app = await start({
      DATABASE_URL: database.url, NUXT_NVENT_STORE_POSTGRES_SCHEMA: 'my schema', NUXT_NVENT_STORE_POSTGRES_PREFIX: 'Shop',
    })
    await placesOrders(app)
    expect(await (await fetch(`${app.url}/_store/health`)).json()).toMatchObject({ status: 'ok' })
    expect(await (await fetch(`${app.url}/_store/metrics`)).text()).toContain('nvent_store_events_written_total 1')
    // On a busy machine it also says that it is not ready yet.
    const lines = app.logs().split('\n').filter(line => line.includes('nvent-store-postgres') && !line.includes('not ready yet'))
    expect(lines).toEqual([
      expect.stringContaining(`postgres database ${url.host}/${database.name} from DATABASE_URL, schema my schema, prefix Shop, migrated to version`),
    ])
    expect(app.logs()).not.toContain(url.password)
    expect(await database.sql('select key from "my schema"."Shop_kv" where key not like \'handled:%\' order by key')).toEqual([{ key: 'count' }, { key: 'order:a%1' }])
  })

  it.skipIf(!hasServer('pg15'))('works on PostgreSQL 15', async () => {
    await placesOrders(await start({ POSTGRES_URL: (await freshDatabase('pg15')).url }))
  })

  it('finishes the calls under way when it is asked to stop, and leaves no connection', async () => {
    const database = await freshDatabase('pg18')
    const app = await start({ DATABASE_URL: database.url })
    const slow = app.post('/api/slow')
    await until(
      () => database.sql('select 1 from pg_stat_activity where datname = current_database() and query like \'%pg_sleep%\' and pid <> pg_backend_pid()'),
      rows => rows.length > 0,
    )
    const stopped = app.stop()
    expect(await slow).toEqual({ slept: true })
    expect(await stopped).toBe(0)
    expect(await database.sql('select value from nvent_kv where key = \'slow\'')).toEqual([{ value: 'done' }])
  })

  it('starts without a database, says what is missing, and answers calls with the reason', async () => {
    const app = await start({})
    expect(await app.post('/api/count')).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining('DATABASE_URL') as string })
    expect(app.logs()).toMatch(/no database is configured\. Set one of NUXT_NVENT_STORE_POSTGRES_CONNECTION, .*POSTGRES_URL/)
    expect(app.logs()).not.toMatch(/unhandled/i)
    expect((await fetch(`${app.url}/_store/health`)).status).toBe(503)
    expect(await app.stop()).toBe(0)
  })

  it('warns when another source names another database', async () => {
    const database = await freshDatabase('pg18')
    const app = await start({ NITRO_NVENT_STORE_POSTGRES_CONNECTION: database.url, DATABASE_URL: 'postgres://app:0ther@db.test/x' })
    await placesOrders(app)
    expect(app.logs()).toContain('DATABASE_URL (db.test:5432/x) differs and is ignored')
    expect(app.logs()).not.toContain('0ther')
  })

  it('refuses a URL that is none without showing it', async () => {
    const app = await start({ DATABASE_URL: 'postgres://app:s3cret@db.test:port/x' })
    const answers = [await app.post('/api/count'), await app.post('/api/order', { id: '1', total: 1 })]
    expect(answers).toMatchObject([{ code: expect.any(String) as string }, { statusCode: 500 }])
    expect(app.logs()).toContain('DATABASE_URL has a port that is not an integer from 1 to 65535')
    expect(JSON.stringify(answers) + app.logs()).not.toContain('s3cret')
  })

  it('whose database is down says so once, answers calls with the reason, and works as soon as the database is there', async () => {
    const server = await startServer(await embeddedBinaries())
    onFileEnd(() => server.stop('immediate'))
    await server.halt()
    const app = await startOutput(output(), {
      env: { DATABASE_URL: server.url, NUXT_NVENT_STORE_POSTGRES_CONNECT_TIMEOUT: '300' },
    })
    expect(await app.post('/api/count')).toMatchObject({ code: 'CONNECTION', message: expect.stringContaining('can\'t be reached') as string })
    await until(app.logs, logs => logs.includes('not started'))

    await server.start()
    expect(await until(() => app.post('/api/count'), answer => 'count' in answer)).toEqual({ count: 1, same: true })
    await until(app.logs, logs => logs.includes('recovered'))

    // And down again, under a store that was ready.
    await server.halt('immediate')
    expect(await app.post('/api/count')).toMatchObject({ code: expect.stringMatching(/CONNECTION|TIMEOUT/) as string })
    await server.start()
    expect(await until(() => app.post('/api/count'), answer => 'count' in answer)).toEqual({ count: 2, same: true })

    expect(app.logs().match(/not started/g)).toHaveLength(1)
    expect(app.logs()).not.toMatch(/unhandled/i)
    expect(app.logs()).not.toContain(new URL(server.url).password)
    expect(await app.stop()).toBe(0)
  })

  it('ends when it is asked to while it connects to a host that never answers, and answers the requests that wait', async () => {
    const silence = createServer(socket => socket.on('error', () => socket.destroy())).listen(0, '127.0.0.1')
    onFileEnd(async () => void silence.close())
    await once(silence, 'listening')
    const app = await startOutput(output(), {
      env: {
        DATABASE_URL: `postgres://u:p@127.0.0.1:${(silence.address() as AddressInfo).port}/d`,
        // Nothing else ends it, or the call.
        NITRO_SHUTDOWN_TIMEOUT: '3600000', NUXT_NVENT_STORE_POSTGRES_CONNECT_TIMEOUT: '3600000',
      },
    })
    const answer = app.post('/api/count', {}, 3_600_000)
    await until(app.logs, logs => logs.includes('not ready yet'))
    expect(await app.stop()).toBe(0)
    expect(await answer).toMatchObject({ code: 'CLOSED' })
    expect(app.logs()).not.toContain('not started')
  })
})
