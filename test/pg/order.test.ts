import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from 'pg'
import pg from 'pg'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { GlobalEvent, ReadAllOptions, Store } from '../../src/runtime/core/index'
import { orderKey } from '../../src/runtime/core/sql/order'
import { freshDatabase, openStore } from '../setup/database'
import type { Database } from '../setup/database'
import { servers } from './servers'

const WRITERS = 16
// Long enough that transactions overlap in many ways.
const COMMITS = 600
const range = (count: number) => Array.from({ length: count }, (_, at) => at)

async function collect(store: Store, options?: ReadAllOptions): Promise<GlobalEvent[]> {
  const events: GlobalEvent[] = []
  for await (const event of store.stream.readAll(options)) events.push(event)
  return events
}

/** The same numbers in every run (mulberry32), so that a failure can be looked at again. */
function randomSource(seed: number): () => number {
  return () => {
    seed = (seed + 0x6D2B79F5) | 0
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

async function connect(url: string): Promise<Client> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  onTestFinished(() => client.end())
  return client
}

describe.each(servers)('the global order on $name', ({ server }) => {
  let database: Database
  let store: Store

  beforeAll(async () => {
    database = await freshDatabase(server)
    store = openStore({ connection: database.url, poolSize: WRITERS + 4 })
    await store.ready()
    await store.stream.append('orders:first', { type: 'first' })
  })

  const locks = (schema = 'public', prefix = 'nvent') => database.sql<{ pid: number, objid: string }>(
    `select pid, objid::text from pg_locks where locktype = 'advisory' and classid = $1::bigint::oid and objsubid = 2
     and database = (select oid from pg_database where datname = current_database())`,
    [orderKey({ schema, prefix }).lock],
  )

  const lastId = async () => Number((await database.sql<{ last_value: string }>('select last_value from nvent_events_id_seq'))[0]!.last_value)

  it('is entered before the row of the subject is locked and before the first id is taken', async () => {
    for (const [at, append] of [
      () => store.stream.append('orders:held', { type: 'waits' }),
      () => store.stream.appendMany('orders:held', [{ type: 'waits' }, { type: 'waits' }]),
    ].entries()) {
      await store.stream.append('orders:held', { type: 'first' })
      const holder = await connect(database.url)
      await holder.query('begin; select * from nvent_heads where subject = \'orders:held\' for update')
      const before = await lastId()
      const appending = append()
      await expect.poll(locks).toMatchObject([{ objid: String(before) }])
      expect(await lastId(), `form ${at}`).toBe(before)
      await holder.query('commit')
      await appending
      await expect.poll(locks).toEqual([])
    }
  })

  it('is entered once by a transaction, and again after a savepoint has taken the lock back', async () => {
    await store.transaction(async (tx) => {
      await tx.query('savepoint a')
      await tx.stream.append('orders:a', { type: 'rolled back' })
      await tx.query('rollback to savepoint a')
      expect(await locks()).toEqual([])
      const before = await lastId()
      for (const at of range(5)) await tx.stream.append(`orders:${at}`, { type: 'kept' })
      await tx.stream.append('nvent:flow:run:1', { type: 'kept' })
      expect(await locks()).toMatchObject([{ objid: String(before) }])
    })
    expect(await locks()).toEqual([])
  })

  it('is entered at most twice by a transaction that begins with an append, first with the lowest bound', async () => {
    await store.transaction(async (tx) => {
      const before = await lastId()
      for (const at of range(5)) await tx.stream.append(`orders:${at}`, { type: 'kept' })
      await tx.stream.appendMany('orders:many', [{ type: 'kept' }, { type: 'kept' }])
      const bounds = (await locks()).map(({ objid }) => Number(objid))
      expect(bounds.length).toBeLessThanOrEqual(2)
      expect(Math.min(...bounds)).toBe(before)
      await tx.query('savepoint a')
      await tx.stream.append('orders:a', { type: 'rolled back' })
      await tx.query('rollback to savepoint a')
      expect((await locks()).map(({ objid }) => objid)).toContain(String(before))
    })
    expect(await locks()).toEqual([])
  })

  it('keeps stores in other schemas and under other prefixes apart', async () => {
    const other = openStore({ connection: database.url, schema: 'elsewhere', prefix: 'my-events' })
    await other.ready()
    await other.transaction(async (tx) => {
      await tx.stream.append('orders:1', { type: 'open' })
      expect(await locks()).toEqual([])
      expect(await locks('elsewhere', 'my-events')).toHaveLength(1)
      const { id } = await store.stream.append('orders:apart', { type: 'committed' })
      expect((await collect(store, { after: String(Number(id) - 1), settleTimeout: 0 })).map(({ event }) => event.id)).toEqual([id])
    })
    expect(await collect(other)).toHaveLength(1)
    await other.close()
  })

  it('is not held up by the same store in another database of the server', async () => {
    const twin = openStore({ connection: (await freshDatabase(server)).url })
    const store = openStore({ connection: database.url })
    await twin.transaction(async (tx) => {
      await tx.stream.append('orders:twin', { type: 'x' })
      const { id } = await store.stream.append('orders:here', { type: 'x' })
      const found = await collect(store, { after: String(BigInt(id) - 1n), settleTimeout: 500 })
      expect(found.map(({ event }) => event.id)).toEqual([id])
    })
  })

  it('waits for a transaction that has taken an id, not for one that has written something else', async () => {
    const { id: after } = await store.stream.append('orders:start', { type: 'start' })
    const unrelated = await connect(database.url)
    await unrelated.query('begin; create table unrelated (id int)')
    let commit = () => {}
    const open = new Promise<void>((resolve) => {
      commit = resolve
    })
    let appended = () => {}
    const hasAppended = new Promise<void>((resolve) => {
      appended = resolve
    })
    const slow = store.transaction(async (tx) => {
      const event = await tx.stream.append('orders:slow', { type: 'slow' })
      appended()
      await open
      return event
    })
    await hasAppended
    const quick = await store.stream.append('orders:quick', { type: 'quick' })
    await expect(collect(store, { after, settleTimeout: 50 })).rejects.toMatchObject({ code: 'TIMEOUT', retryable: true })
    const reading = collect(store, { after })
    commit()
    const first = await slow
    expect((await reading).map(({ event }) => event)).toStrictEqual([first, quick])
    await unrelated.query('rollback')
  })

  it('goes on behind an appender that was killed', async () => {
    const { id: after } = await store.stream.append('orders:start', { type: 'start' })
    const killed = store.transaction(async (tx) => {
      await tx.stream.append('orders:killed', { type: 'lost' })
      const { rows: [row] } = await tx.query<{ pid: number }>('select pg_backend_pid() as pid')
      await database.sql('select pg_terminate_backend($1)', [row!.pid])
      await tx.stream.append('orders:killed', { type: 'lost' })
    })
    await expect(killed).rejects.toMatchObject({ name: 'StoreError' })
    const { id } = await store.stream.append('orders:alive', { type: 'kept' })
    expect((await collect(store, { after })).map(({ event }) => event.id)).toEqual([id])
  })

  it('loses and repeats nothing under 16 writers with rollbacks, pauses, early transaction ids, a killed one, and strangers', async () => {
    const start = (await store.stream.append('orders:start', { type: 'start' })).id
    const neighbour = await freshDatabase(server)
    const beside = openStore({ connection: neighbour.url })
    await beside.ready()
    const unrelated = await connect(database.url)
    await unrelated.query('begin; create table stranger (id int)')

    const committed: string[] = []
    const pids = new Map<number, number>()
    let [writing, committing] = [true, true]
    const write = async (writer: number) => {
      const random = randomSource(writer + 1)
      while (writing) {
        await store.transaction(async (tx) => {
          // An earlier transaction id than the order of the events suggests.
          if (writer % 2 === 0) await tx.query('select pg_current_xact_id()')
          pids.set(writer, (await tx.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]!.pid)
          const ids: string[] = []
          for (let left = 1 + Math.floor(random() * 3); left > 0; left--) {
            const subject = random() < 0.5 ? `orders:${Math.floor(random() * 4)}:${writer}` : `nvent:flow:run:${writer}`
            ids.push((await tx.stream.append(subject, { type: 'written', data: writer })).id)
            if (random() < 0.3) await sleep(random() * 20)
          }
          if (random() < 0.1) throw new Error('rolled back')
          return ids
        }).then(ids => committed.push(...ids), () => pids.delete(writer))
      }
    }
    const busy = async () => {
      while (writing) await beside.transaction(tx => tx.stream.append('orders:1', { type: 'elsewhere' }).then(() => sleep(5)))
    }
    const seen: { id: string, subject: string }[] = []
    const follow = async () => {
      let after = start
      for (let last = false; !last;) {
        last = !committing
        for await (const { subject, event } of store.stream.readAll({ after })) {
          seen.push({ id: event.id, subject })
          after = event.id
        }
      }
    }
    const writers = [...range(WRITERS).map(write), busy()]
    const following = follow()
    const committedSome = (part: number) => expect.poll(() => committed.length).toBeGreaterThan(COMMITS * part)
    await committedSome(1 / 2)
    await database.sql('select pg_terminate_backend($1)', [pids.get(3) ?? 0])
    await committedSome(3 / 4)
    // The stranger's transaction is older than all of this, and still open: nobody waits for it.
    const newest = committed.at(-1)
    await expect.poll(() => seen.some(({ id }) => id === newest)).toBe(true)
    await unrelated.query('rollback')
    await committedSome(1)
    writing = false
    await Promise.all(writers)
    committing = false
    await following

    const ids = seen.map(({ id }) => Number(id))
    expect(ids).toEqual([...ids].sort((a, b) => a - b))
    expect(new Set(ids).size).toBe(ids.length)
    const stored = await database.sql<{ id: string }>(
      'select id from nvent_events where id > $1::bigint union all select id from nvent_flow_events where id > $1::bigint order by id', [start],
    )
    expect(ids).toEqual(stored.map(({ id }) => Number(id)))
    // A killed transaction may have committed without its writer hearing of it; nothing else may be missing.
    expect(committed.filter(id => !ids.includes(Number(id)))).toEqual([])
    await beside.close()
  })
})
