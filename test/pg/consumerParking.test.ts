/** What happens between the statements of a consumer that parks a subject and lets it go on. */
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { expect, it, onTestFinished } from 'vitest'
import { append, numberOf, started } from '../setup/consumers'
import { freshDatabase, openStore } from '../setup/database'
import { eventually } from '../setup/eventually'
import { oneServer } from './servers'

const [{ server }] = oneServer as [(typeof oneServer)[number]]

it('a subject goes on with its shard only when none of its events is left in the batch that failed', async () => {
  const { url, sql, pool } = await freshDatabase(server)
  const store = openStore({ connection: url })
  await append(store, 'poison', 1)
  await append(store, 'slow', 2)
  await append(store, 'poison', 3)
  // Two handlers share what there is.
  await append(store, 'other', 4, 5, 6)
  const [first] = await store.stream.read('poison')
  const handled: number[] = []
  let failures = 2
  const client = await pool.connect()
  await started(store, {
    name: 'batches', transaction: 'none', shards: 1, concurrency: 2, leaseMs: 20_000, backoff: { first: 1, max: 1 }, async batchHandler(events) {
      const [event] = events
      // In the batch, and alone: then its subject is parked, and its next attempt goes well.
      if (numberOf(event!) === 1 && failures-- > 0) throw new Error('now and then')
      if (numberOf(event!) === 2) {
        // Its retry has gone well by now.
        await eventually(async () => expect(await sql('select 1 from nvent_consumer_parked where from_id > $1::bigint', [first!.id])).toHaveLength(1))
        // It is about to leave the list, and can't for a while.
        await client.query('begin; select 1 from nvent_consumer_parked for update')
        setTimeout(() => void client.query('commit'), 1_000)
        await sleep(500)
      }
      handled.push(...events.map(numberOf))
    },
  })
  await eventually(() => expect(handled.toSorted()).toEqual([1, 2, 3, 4, 5, 6]))
  await eventually(async () => expect(await sql('select 1 from nvent_consumer_parked')).toEqual([]))
  client.release()
})

it('a subject goes on with its shard when the process that parked it was killed right before, and nothing follows', async () => {
  const { url, sql } = await freshDatabase(server)
  const store = openStore({ connection: url })
  await append(store, 'poison', 1)
  const options = { name: 'killed', maxAttempts: 1, handler: () => Promise.reject(new Error('always')) }
  const consumer = await started(store, options)
  await eventually(async () => expect(await consumer.status()).toMatchObject({ lag: 0, parked: 1 }))
  await consumer.stop()
  // As its last statement left it: the retry of the event went well.
  await sql('update nvent_consumer_parked set from_id = from_id + 1, due_at = now()')

  await started(store, options)
  await eventually(async () => expect(await consumer.status()).toMatchObject({ lag: 0, parked: 0 }))
})

it('what is read again of parked subjects is no more among many of them, and one that is requeued goes on', async () => {
  const { url, sql } = await freshDatabase(server)
  const pool = new pg.Pool({ connectionString: url })
  onTestFinished(() => pool.end())
  const read: number[] = []
  pool.on('connect', (client) => {
    const query = client.query.bind(client) as (...args: unknown[]) => unknown
    client.query = ((...args: unknown[]) => {
      const [{ text = '' }, done] = args as [{ text?: string }, unknown]
      if (typeof done !== 'function' || !text.includes('"delayMs"')) return query(...args)
      return query(args[0], (error: unknown, result?: pg.QueryResult) => {
        read.push(result?.rows.length ?? 0)
        done(error, result)
      })
    }) as typeof client.query
  })
  const store = openStore({ pool })
  onTestFinished(() => store.close())
  await append(store, 'poison', 1)
  let isMended = false
  const options = {
    name: 'many', maxAttempts: 1, maxParked: 10_000, handler() {
      if (!isMended) throw new Error('poison')
    },
  }
  await store.consume(options).runOnce()
  await sql(`insert into nvent_consumer_parked (consumer, subject, shard, from_id, attempts, due_at, error)
    select 'many', 'waiting:' || n, n % 32, 1, 1, 'infinity', '{}' from generate_series(1, 5000) n`)
  const consumer = await started(store, options)
  await eventually(() => expect(read.reduce((all, rows) => all + rows, 0)).toBeGreaterThan(5_000))
  read.length = 0
  await eventually(() => expect(read.length).toBeGreaterThan(3))
  expect(Math.max(...read)).toBeLessThanOrEqual(501)
  isMended = true
  const { letters } = await store.deadLetters.list()
  await store.deadLetters.requeue(letters[0]!.id)
  await eventually(async () => expect(await sql('select 1 from nvent_consumer_parked where subject = $1', ['poison'])).toEqual([]))
  expect(await consumer.status()).toMatchObject({ state: 'running', parked: 5_000 })
})
