/** Workers that claim, in several processes that are killed, frozen and cut off. */
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Lease, Store } from '../../../src/runtime/core/index'
import { compiled } from '../../setup/compiled'
import { append, gate } from '../../setup/consumers'
import { freshDatabase, openStore } from '../../setup/database'
import { eventually } from '../../setup/eventually'
import { servers } from '../servers'
import type { LeasePlan } from './leaseWorker'

// More rounds: LEASE_ROUNDS=50 npx vitest run --project pg test/pg/faults/leases.test.ts
const ROUNDS = Number(process.env.LEASE_ROUNDS ?? 6)
const WORKERS = 3
const LEASE_MS = 500
const CONSUMER = 'pulled'
const SUBJECTS = Array.from({ length: 25 }, (_, at) => `orders:${at}`)

/** What the database does with leases, in the order in which it does it. */
const LEDGER = `
create sequence moments;
create table effects (at bigint default nextval('moments'), subject text, event_id bigint, token bigint, worker text);
create table ledger (at bigint default nextval('moments'), kind text, subject text, token bigint, from_id bigint, to_id bigint, live boolean);
create function note_lease() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' and old.token is not null then
    insert into ledger (kind, subject, token, from_id, to_id, live) values ('ack', old.subject, old.token, old.from_id, old.leased_to, old.due_at > clock_timestamp());
  end if;
  if tg_op = 'UPDATE' and new.from_id > old.from_id and old.token = coalesce(new.token, old.token) then
    insert into ledger (kind, subject, token, from_id, to_id, live) values ('ack', old.subject, old.token, old.from_id, new.from_id - 1, old.due_at > clock_timestamp());
  end if;
  if tg_op = 'INSERT' and new.token is not null then
    insert into ledger (kind, subject, token, from_id, to_id, live) values ('lease', new.subject, new.token, new.from_id, new.leased_to, false);
  end if;
  if tg_op = 'UPDATE' and new.token is distinct from old.token and new.token is not null then
    insert into ledger (kind, subject, token, from_id, to_id, live) values ('lease', new.subject, new.token, new.from_id, new.leased_to, old.token is not null and old.due_at > clock_timestamp());
  end if;
  return null;
end $$;
create trigger note after insert or update or delete on nvent_consumer_parked for each row execute function note_lease()`

interface Entry extends Record<string, unknown> {
  kind: 'lease' | 'ack'
  at: string
  subject: string
  token: string
  from_id: string
  to_id: string
  live: boolean
}

type Sql = <R extends Record<string, unknown>>(text: string, values?: unknown[]) => Promise<R[]>

/** Follows the ledger: what was wrong, and how much there was. */
async function judge(store: Store, sql: Sql) {
  const wrong: string[] = []
  const note = (what: string, subject: string, ids: bigint[], entry?: Entry) => ids.length > 0 && wrong.push(`${what}: ${subject} ${ids.join()} ${JSON.stringify(entry)}`)
  const entries = await sql<Entry>('select at::text, kind, subject, token::text, from_id::text, to_id::text, live from ledger order by ledger.at')
  const effects = await sql<{ at: string, event_id: string, token: string }>('select at::text, event_id::text, token::text from effects')
  const handledAt = new Map(effects.map(({ at, event_id: id, token }) => [`${token} ${id}`, BigInt(at)]))
  let events = 0
  for (const subject of SUBJECTS) {
    const ids = (await store.stream.read(subject)).map(({ id }) => BigInt(id))
    let done = 0n
    for (const entry of entries.filter(entry => entry.subject === subject)) {
      const { kind, token, from_id: from, to_id: to, live, at } = entry
      const within = ids.filter(id => id >= BigInt(from) && id <= BigInt(to))
      if (kind === 'lease') {
        if (live) note('leased to two', subject, [BigInt(from)], entry)
        note('doubled', subject, within.filter(id => id <= done), entry)
        note('out of order', subject, ids.filter(id => id > done && id < BigInt(from)), entry)
        continue
      }
      note('not handled', subject, within.filter(id => !((handledAt.get(`${token} ${id}`) ?? BigInt(at)) < BigInt(at))), entry)
      if (BigInt(to) > done) done = BigInt(to)
    }
    events += ids.length
    note('lost', subject, ids.filter(id => id > done))
  }
  return { wrong, events, leases: entries.filter(({ kind }) => kind === 'lease').length, repeated: effects.length - events }
}

async function start(plan: LeasePlan, failed: Record<string, number>): Promise<ChildProcess> {
  const child = fork(compiled('test/pg/faults/leaseWorker.ts'), [JSON.stringify(plan)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  await new Promise<void>((resolve, reject) => {
    child.once('exit', code => reject(new Error(`a worker has ended with ${code} before it was ready`)))
    child.on('message', (message: { ready?: true, failed?: string }) => message.ready ? resolve() : failed[message.failed!] = (failed[message.failed!] ?? 0) + 1)
  })
  return child
}

function appending(store: Store) {
  let running = true
  let n = 0
  const done = (async () => {
    while (running) {
      await Promise.all(SUBJECTS.filter(() => Math.random() < 0.3).map((subject) => {
        const eventId = `${subject} ${n++}`
        const append = () => store.stream.append(subject, { type: 'numbered', data: { n } }, { eventId })
        // Its connection may be among those that are terminated.
        return append().catch(append).catch(append)
      }))
      // Enough to keep workers busy, and no more to catch up with than that.
      await sleep(30)
    }
  })()
  return async () => {
    running = false
    await done
  }
}

describe.each(servers)('leases on $name', ({ server }) => {
  it('of workers that are killed, frozen and cut off: every event is acknowledged once, in order, by the worker that has it', { timeout: 300_000 + ROUNDS * 20_000 }, async () => {
    const { url, sql } = await freshDatabase(server)
    const store = openStore({ connection: url })
    await store.leases.open({ consumer: CONSUMER, maxAttempts: 1_000, backoff: { first: 10, max: 50 } })
    await sql(LEDGER)
    let started = 0
    const failed: Record<string, number> = {}
    const begin = () => start({ url, worker: String(started++), consumer: CONSUMER, leaseMs: LEASE_MS }, failed)
    const workers = await Promise.all(Array.from({ length: WORKERS }, begin))
    const stop = appending(store)
    for (let round = 0; round < ROUNDS; round++) {
      await sleep(100 + Math.random() * 500)
      const at = round % WORKERS
      const child = workers[at]!
      const kind = round % 3
      if (kind === 0) {
        child.kill('SIGKILL')
        await once(child, 'exit')
        workers[at] = await begin()
      }
      else if (kind === 1) {
        child.kill('SIGSTOP')
        await sleep(LEASE_MS * 2)
        child.kill('SIGCONT')
      }
      else {
        await sql('select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() order by random() limit 3')
      }
    }
    await stop()
    await eventually(async () => expect(await store.admin.consumers.get(CONSUMER)).toMatchObject({ lag: 0, parked: 0, leased: 0 }))
    await Promise.all(workers.map(async (child) => {
      child.send('stop')
      await once(child, 'exit')
    }))
    const { wrong, ...counts } = await judge(store, sql)
    console.info(`${ROUNDS} rounds`, counts, failed)
    expect(wrong).toEqual([])
    expect(counts.events).toBeGreaterThan(0)
  })

  it('wait for no other claim: what a claim that is frozen has locked is passed over', async () => {
    const { url, pool } = await freshDatabase(server)
    const store = openStore({ connection: url })
    await store.leases.open({ consumer: CONSUMER })
    for (const subject of SUBJECTS) await append(store, subject, 0)
    const claim = (limit: number) => store.leases.claim({ consumer: CONSUMER, by: 'worker', limit })
    const [due] = await claim(1) as [Lease]
    await store.leases.nack(due, { after: 0 })
    const frozen = await pool.connect()
    try {
      await frozen.query('begin')
      await frozen.query('select from nvent_consumer_parked for update')
      await frozen.query('select from nvent_consumer_shards where shard < 16 for update')
      const { rows } = await frozen.query<{ shard: number }>('select shard::int from nvent_consumer_parked')
      const claimed = await claim(1_000)
      expect(claimed.map(({ subject }) => subject)).not.toContain(due.subject)
      expect(claimed.length).toBeGreaterThan(0)
      expect(claimed.length).toBeLessThan(SUBJECTS.length)
      expect(rows).toHaveLength(1)
      await frozen.query('rollback')
      const rest = await claim(1_000)
      expect(claimed.length + rest.length).toBe(SUBJECTS.length)
    }
    finally {
      frozen.release(true)
    }
  })

  it('of one subject go to one of two claims at the same moment', async () => {
    const { url } = await freshDatabase(server)
    const stores = [openStore({ connection: url }), openStore({ connection: url })]
    await stores[0]!.leases.open({ consumer: CONSUMER, backoff: { first: 0, max: 0 }, maxAttempts: 1_000 })
    for (const subject of SUBJECTS) await append(stores[0]!, subject, 0, 1)
    const race = gate()
    const claims = Array.from({ length: 8 }, async (_, at) => {
      await race.opened
      const { leases } = stores[at % 2]!
      const mine: Lease[] = []
      for (let n = 0; n < 10; n++) mine.push(...await leases.claim({ consumer: CONSUMER, by: String(at), limit: 7 }))
      return mine
    })
    race.open()
    const leases = (await Promise.all(claims)).flat()
    expect(leases.map(({ subject }) => subject).sort()).toEqual([...SUBJECTS].sort())
    // The same for those that are due again.
    await Promise.all(leases.map(lease => stores[0]!.leases.nack(lease)))
    const again = (await Promise.all(stores.flatMap(store => [1, 2, 3].map(at => store.leases.claim({ consumer: CONSUMER, by: String(at), limit: 1_000 }))))).flat()
    expect(new Set(again.map(({ subject }) => subject)).size).toBe(again.length)
  })
})
