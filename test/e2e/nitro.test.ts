import { join } from 'node:path'
import { build, createNitro, prepare } from 'nitropack'
import { beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase } from '../setup/database'
import { listen } from './sse'
import type { SseClient } from './sse'
import { CONNECTIONS, fixture, outside, startOutput, until } from './support'
import type { App } from './support'

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

  it('keeps the store open until every close hook has ended', async () => {
    const database = await freshDatabase('pg18')
    const app = await startOutput(output, { env: { DATABASE_URL: database.url, FIXTURE_DRAIN: 'yes' } })
    await app.post('/order', { id: 'a', total: 5 })
    expect(await app.stop()).toBe(0)
    expect(app.logs()).not.toMatch(/CLOSED|is closed/)
    expect(await database.sql('select subject, count(*)::integer as events from shop_events where subject like \'drain:%\' group by subject order by subject'))
      .toEqual([{ subject: 'drain:plugin', events: 5 }, { subject: 'drain:request', events: 5 }])
    expect(await database.sql(CONNECTIONS)).toEqual([{ open: 0 }])
  })

  it('runs the files in consumers, and finishes what they have begun when it is asked to stop', async () => {
    const database = await freshDatabase('pg18')
    const app = await startOutput(output, { env: { DATABASE_URL: database.url } })
    await app.post('/append', { subject: 'slow:1', events: Array.from({ length: 20 }, () => ({ type: 'job.due' })) })
    await until(
      () => database.sql('select 1 from pg_stat_activity where datname = current_database() and query like \'%pg_sleep%\' and pid <> pg_backend_pid()'),
      rows => rows.length > 0,
    )
    expect(await app.stop()).toBe(0)
    expect(app.logs()).not.toMatch(/CLOSED|is closed|tries again/)
    // What was under way, and nothing behind it.
    const [{ handled }] = await database.sql<{ handled: number }>('select count(*)::integer as handled from shop_index where key = \'slow\'') as [{ handled: number }]
    expect(handled).toBeGreaterThan(0)
    expect(handled).toBeLessThan(20)
    expect(await database.sql('select shard from shop_consumer_shards where owner is not null')).toEqual([])
    expect(await database.sql('select member from shop_consumer_members')).toEqual([])
    expect(await database.sql(CONNECTIONS)).toEqual([{ open: 0 }])
  })

  it('runs a relay in consumers, and finishes what it has begun when it is asked to stop: no message is lost or doubled', async () => {
    const database = await freshDatabase('pg18')
    const env = { DATABASE_URL: database.url, FIXTURE_PUBLISH_MS: '1000' }
    const published = async () => (await database.sql<{ begun: number, done: number }>('select (metadata->>\'begun\')::int as begun, (metadata->>\'done\')::int as done from shop_index where key = \'hooks\''))
    const app = await startOutput(output, { env })
    await app.post('/enqueue', { messages: Array.from({ length: 20 }, (_, at) => at), key: 'one' })
    await until(published, rows => rows.length > 0)
    expect(await app.stop()).toBe(0)
    expect(app.logs()).not.toMatch(/CLOSED|is closed|tries again/)
    const atStop = await published()
    expect(atStop.length).toBeLessThan(20)
    expect(atStop.every(({ done }) => done === 1)).toBe(true)
    expect(await database.sql('select shard from shop_consumer_shards where owner is not null')).toEqual([])

    const next = await startOutput(output, { env: { ...env, FIXTURE_PUBLISH_MS: undefined } })
    await until(published, rows => rows.length === 20 && rows.every(({ done }) => done > 0))
    expect(new Set((await published()).map(({ begun, done }) => [begun, done].join()))).toEqual(new Set(['1,1']))
    expect(await next.stop()).toBe(0)
  })

  it.each([['SERVERLESS', 'true'], ['CONSUMERS', 'false']])('has a task that runs the consumers and relays where nothing starts them: %s=%s', async (option, value) => {
    const database = await freshDatabase('pg18')
    const frozen = await startOutput(output, { env: { DATABASE_URL: database.url, [`NITRO_NVENT_STORE_POSTGRES_${option}`]: value } })
    for (let n = 0; n < 3; n++) await frozen.post('/order', { id: String(n), total: n })
    await frozen.post('/enqueue', { messages: ['a', 'b'] })
    expect(await database.sql('select consumer from shop_consumers')).toEqual([])
    expect(await frozen.post('/consumers', { name: 'orders:mail', maxMs: 60_000 })).toEqual({ result: [{ name: 'orders:mail', handled: 3, caughtUp: true }] })
    expect(await frozen.post('/consumers')).toEqual({
      result: [{ name: 'hooks', handled: 2, caughtUp: true }, { name: 'orders:mail', handled: 0, caughtUp: true }, { name: 'slow', handled: 0, caughtUp: true }],
    })
    expect(await frozen.post('/consumers', { name: 'order:mail' })).toMatchObject({ statusCode: 400 })
    expect(await frozen.stop()).toBe(0)

    // Where they are started, the task is harmless.
    const server = await startOutput(output, { env: { DATABASE_URL: database.url } })
    await server.post('/order', { id: 'a', total: 5 })
    const answer = await until(() => server.post<{ result: { name: string, handled: number, caughtUp: boolean }[] }>('/consumers'), ({ result }) => result.every(({ caughtUp }) => caughtUp))
    expect(answer.result.map(({ name }) => name)).toEqual(['hooks', 'orders:mail', 'slow'])
    expect(await database.sql('select count(*)::integer as mails from shop_index where key = \'mails\'')).toEqual([{ mails: 4 }])
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

  describe.each([
    ['PostgreSQL', async () => ({ DATABASE_URL: (await freshDatabase('pg18')).url })],
    ['the embedded database', async () => ({ DATABASE_URL: 'pglite://memory' })],
  ])('sendEvents on %s', (_, environment) => {
    let app: App
    beforeAll(async () => {
      // A stream that did not end with the server would keep it from ending for longer than any test may take.
      app = await startOutput(output, { env: { ...await environment(), NITRO_SHUTDOWN_TIMEOUT: '900000' } })
    })

    const append = (subject: string, events: { type: string, data?: unknown }[]) => app.post<{ id: string }[]>('/append', { subject, events })
    const counted = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => ({ type: 'counted', data: from + at }))
    const live = (query: Record<string, string>, lastEventId?: string) => listen(`${app.url}/live?${new URLSearchParams(query)}`, lastEventId)
    const dataOf = (client: SseClient) => client.messages.map(({ data }) => (data as { data: number }).data)
    const received = (client: SseClient, count: number) => until(() => client.messages.length, length => length >= count)
    const handedTo = async (client: string) => (await app.post<Record<string, number>>('/handed'))[client] ?? 0

    it('sends what is there, then what comes, and goes on after the last event a client has seen', async () => {
      await append('orders:1', counted(0, 700))
      const first = await live({ subject: 'orders:1', from: 'start' })
      await append('orders:1', counted(700, 710))
      await received(first, 710)
      expect(dataOf(first)).toEqual(counted(0, 710).map(({ data }) => data))
      first.hangUp()
      await append('orders:1', counted(710, 720))
      const { id } = first.messages[702]!
      // A browser sends the header, useEventStream the query.
      const again = [await live({ subject: 'orders:1' }, id), await live({ subject: 'orders:1', lastEventId: id })]
      await append('orders:1', counted(720, 725))
      for (const client of again) {
        await received(client, 22)
        expect(client.start()).toBe(id)
        expect(dataOf(client)).toEqual(counted(703, 725).map(({ data }) => data))
        client.hangUp()
      }
    })

    it('starts now unless told otherwise, and says where: what comes while the line is down is not lost', async () => {
      const [last] = await append('orders:2', counted(0, 1))
      const client = await live({ subject: 'orders:2' })
      await until(client.start, start => start !== undefined)
      expect(client.start()).toBe(last!.id)
      client.hangUp()
      await append('orders:2', counted(1, 3))
      const again = await live({ subject: 'orders:2' }, client.start())
      await received(again, 2)
      expect(dataOf(again)).toEqual([1, 2])
      again.hangUp()
    })

    it('leaves out what map leaves out, and sends comments', async () => {
      const client = await live({ subject: 'orders:3', heartbeat: '10' })
      await until(client.text, text => text.includes('\n\n:\n\n'))
      await append('orders:3', [{ type: 'secret', data: 1 }, { type: 'shown', data: 2 }])
      await received(client, 1)
      expect(dataOf(client)).toEqual([2])
      client.hangUp()
    })

    it('refuses a last event id, or a start, that is none', async () => {
      expect((await live({ subject: 'orders:4' }, 'yesterday')).status).toBe(400)
      // Nobody gets the events of others by a glob.
      expect((await live({ subject: 'orders:*' })).status).toBe(400)
      expect((await live({ subject: 'orders:4', from: 'yesterday' })).status).toBe(400)
    })

    it('waits for a client that is slow, and forgets one that has gone', async () => {
      const data = 'x'.repeat(50_000)
      const slow = await live({ subject: 'orders:5', client: 'slow' })
      const gone = await live({ subject: 'orders:5', client: 'gone' })
      const quick = await live({ subject: 'orders:5', client: 'quick' })
      slow.pause()
      await append('orders:5', [{ type: 'big', data }])
      await received(gone, 1)
      gone.hangUp()
      // More than every buffer on the way holds.
      for (let at = 0; at < 20; at++) await append('orders:5', Array.from({ length: 40 }, () => ({ type: 'big', data })))
      await received(quick, 801)
      expect(await handedTo('slow')).toBeLessThan(700)
      expect(await handedTo('gone')).toBeLessThan(50)
      slow.resume()
      await received(slow, 801)
      expect(slow.messages.map(({ id }) => id)).toEqual(quick.messages.map(({ id }) => id))
    })

    it('ends when the server is asked to stop, also for a client that does not read', async () => {
      const client = await live({ subject: 'orders:6', client: 'last' })
      const stuck = await live({ subject: 'orders:5', from: 'start', client: 'stuck' })
      stuck.pause()
      await until(() => handedTo('stuck'), count => count > 10)
      const said = app.logs().length
      expect(await app.stop()).toBe(0)
      await client.ended
      expect(app.logs().slice(said)).not.toMatch(/error|warn|could not/i)
    })
  })
})
