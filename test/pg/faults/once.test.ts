/** Work that runs once for its key, in several processes that are killed and frozen while they are in the middle of it. */
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, afterAll, describe, expect, inject, it, onTestFinished } from 'vitest'
import type { Store } from '../../../src/runtime/core/index'
import { compiled } from '../../setup/compiled'
import { freshDatabase, openStore } from '../../setup/database'
import type { Database } from '../../setup/database'
import { eventually } from '../../setup/eventually'
import { hasPgBouncer, startPgBouncer } from '../../setup/pgbouncer'
import type { PgBouncer } from '../../setup/pgbouncer'
import { servers } from '../servers'
import type { OncePlan } from './onceWorker'

// More rounds: ONCE_ROUNDS=50 npx vitest run --project pg test/pg/faults/once.test.ts
const ROUNDS = Number(process.env.ONCE_ROUNDS ?? 6)
const WORKERS = 3
const KEYS = 24
const LONG_MS = 600_000

type Message = { ready?: true, working?: string, key?: string, result?: unknown }

interface Worker {
  child: ChildProcess
  /** The keys in whose work it is, or was last. */
  working: string[]
  results: Map<string, unknown>
  ended: Promise<unknown>
}

async function start(plan: OncePlan): Promise<Worker> {
  const child = fork(compiled('test/pg/faults/onceWorker.ts'), [JSON.stringify(plan)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const worker: Worker = { child, working: [], results: new Map(), ended: once(child, 'exit') }
  await new Promise<void>((resolve, reject) => {
    child.once('exit', code => reject(new Error(`a worker has ended with ${code} before it was ready`)))
    child.on('message', ({ ready, working, key, result }: Message) => {
      if (ready) resolve()
      if (working !== undefined) worker.working.push(working)
      if (key !== undefined) worker.results.set(key, result)
    })
  })
  return worker
}

const EFFECTS = 'create table effects (id bigint generated always as identity, key text, worker text)'

/** The work of a process that is killed while the store waits for it: nothing of it is kept, and the store does its own. */
async function killedInTheMiddle(url: string, store: Store, sql: Database['sql']): Promise<void> {
  await store.ready()
  await sql(EFFECTS)
  const killed = await start({ url, worker: 'killed', workMs: LONG_MS, idleMs: LONG_MS })
  killed.child.send(['a'])
  await eventually(() => expect(killed.working).toEqual(['a']))
  const waiting = store.dedupe.once('a', 60_000, async () => 'mine')
  await sleep(100)
  killed.child.kill('SIGKILL')
  expect(await waiting).toBe('mine')
  expect(await sql('select from effects')).toEqual([])
}

describe.each(servers)('once() on $name', ({ server }) => {
  it('of processes that are killed in the middle of the work: the work of every key is kept once, and all get its result', { timeout: 60_000 + ROUNDS * 20_000 }, async () => {
    const { url, sql } = await freshDatabase(server)
    const store = openStore({ connection: url })
    await store.ready()
    await sql(EFFECTS)
    let [started, begun] = [0, 0]
    const begin = () => start({ url, worker: String(started++), workMs: 300, idleMs: LONG_MS })
    const workers = await Promise.all(Array.from({ length: WORKERS }, begin))
    for (let round = 0; round < ROUNDS; round++) {
      const keys = Array.from({ length: KEYS }, (_, at) => `job:${round}:${at}`)
      for (const { child } of workers) child.send(keys)
      await sleep(30 + Math.random() * 200)
      const gone = workers[round % WORKERS]!
      gone.child.kill('SIGKILL')
      await gone.ended
      workers[round % WORKERS] = await begin()
      workers[round % WORKERS]!.child.send(keys)
      await eventually(() => {
        for (const { results } of workers) for (const key of keys) expect(results.has(key)).toBe(true)
      })
      const kept = await sql<{ key: string, id: string }>('select key, id::text as id from effects where starts_with(key, $1)', [`job:${round}:`])
      expect(kept.map(({ key }) => key).sort()).toEqual([...keys].sort())
      expect(await store.kv.getMany(keys)).toEqual(keys.map(() => 1))
      for (const { key, id } of kept) {
        for (const { results } of workers) expect(results.get(key)).toEqual({ key, id })
        // What a process got before it was killed holds as well.
        if (gone.results.has(key)) expect(gone.results.get(key)).toEqual({ key, id })
      }
      begun += [gone, ...workers].flatMap(({ working }) => working.splice(0)).length
    }
    console.info(`${ROUNDS} rounds: work was begun ${begun} times for ${ROUNDS * KEYS} keys`)
    expect(begun).toBeGreaterThan(ROUNDS * KEYS)
  })

  it('of a process that is killed while another waits: that one runs its own work', async () => {
    const { url, sql } = await freshDatabase(server)
    const store = openStore({ connection: url })
    await killedInTheMiddle(url, store, sql)
  })

  it('of a process that is frozen: the server ends its work, and nothing of that is kept when it goes on', async () => {
    const { url, sql } = await freshDatabase(server)
    const store = openStore({ connection: url })
    await store.ready()
    await sql(EFFECTS)
    const frozen = await start({ url, worker: 'frozen', workMs: 50, idleMs: 300 })
    frozen.child.send(['a'])
    await eventually(() => expect(frozen.working).toEqual(['a']))
    frozen.child.kill('SIGSTOP')
    const result = await store.dedupe.once('a', 3_600_000, async (tx) => {
      const { rows: [row] } = await tx.query<{ id: string }>('insert into effects (key, worker) values (\'a\', \'mine\') returning id')
      return { key: 'a', id: row!.id }
    })
    frozen.child.kill('SIGCONT')
    await eventually(() => expect(frozen.results.size).toBe(1))
    const kept = await sql<{ key: string, id: string }>('select key, id::text as id from effects')
    expect(kept).toHaveLength(1)
    expect([result, frozen.results.get('a')]).toEqual([kept[0], kept[0]])
  })

  it('holds no connection while it waits for another process', async () => {
    const { url } = await freshDatabase(server)
    const [first, second] = [openStore({ connection: url }), openStore({ connection: url, poolSize: 2 })]
    let end = () => {}
    const ended = new Promise<void>(resolve => (end = resolve))
    const begun = new Promise<void>((resolve) => {
      void Promise.all(Array.from({ length: 5 }, (_, at) => first.dedupe.once(`k${at}`, 60_000, async () => {
        resolve()
        await ended
        return at
      })))
    })
    await begun
    const repeats = Array.from({ length: 50 }, (_, at) => second.dedupe.once(`k${at % 5}`, 60_000, async () => expect.fail('must not run')))
    for (let n = 0; n < 20; n++) {
      await second.transaction(tx => tx.kv.increment('n'))
      await sleep(5)
    }
    end()
    expect(await Promise.all(repeats)).toEqual(repeats.map((_, at) => at % 5))
  })
})

describe.skipIf(!hasPgBouncer())('once() behind a pooler in transaction mode', () => {
  let bouncer: PgBouncer
  beforeAll(async () => {
    bouncer = await startPgBouncer(inject('pg18'))
  })
  afterAll(() => bouncer?.stop())

  it('of a process that is killed in the middle of the work frees the key', async () => {
    const { url, sql } = await freshDatabase('pg18')
    const pooled = bouncer.urlOf(url)
    const store = openStore({ connection: pooled, prepare: false })
    await killedInTheMiddle(pooled, store, sql)
  })
})
