/** Limits that several processes share, and events that wait for debounce, while processes are killed. */
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it, onTestFinished } from 'vitest'
import { compiled } from '../../setup/compiled'
import { freshDatabase, openStore } from '../../setup/database'
import { eventually } from '../../setup/eventually'
import { servers } from '../servers'
import type { LimitedPlan } from './limitedWorker'

const LEASE_MS = 800
const SUBJECTS = ['a:1', 'a:2', 'a:3', 'a:4', 'b:1', 'b:2', 'b:3', 'b:4']
const EACH = 6

async function start(plan: LimitedPlan): Promise<ChildProcess> {
  const child = fork(compiled('test/pg/faults/limitedWorker.ts'), [JSON.stringify(plan)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  await new Promise<void>((resolve, reject) => {
    child.once('exit', code => reject(new Error(`a worker has ended with ${code} before it was ready`)))
    child.on('message', (message: { ready?: true }) => message.ready && resolve())
  })
  return child
}

async function prepare(server: (typeof servers)[number]['server']) {
  const { url, sql } = await freshDatabase(server)
  const store = openStore({ connection: url })
  await store.ready()
  await sql('create table calls (id bigint generated always as identity, subject text, n int, worker text, began timestamptz not null default clock_timestamp(), ended timestamptz)')
  for (let n = 0; n < EACH; n++) for (const subject of SUBJECTS) await store.stream.append(subject, { type: 'numbered', data: { n } })
  const handled = async () => (await sql<{ n: number }>('select count(distinct (subject, n))::int as n from calls where ended is not null'))[0]!.n
  /** Kills a worker at work again and again, until all is done. Returns when each of them was killed, by the clock of the database. */
  async function killWhileWorking(plan: Omit<LimitedPlan, 'url' | 'worker'>, kills: number): Promise<Map<string, number>> {
    let names = 0
    const next = async () => {
      const worker = String(names++)
      return { worker, child: await start({ url, worker, ...plan }) }
    }
    const workers = await Promise.all([next(), next(), next()])
    const killed = new Map<string, number>()
    for (let at = 0; at < kills; at++) {
      const { worker, child } = workers[at % 3]!
      const before = await handled()
      await eventually(async () => expect((await sql('select 1 from calls where worker = $1 and ended is null', [worker])).length + await handled()).toBeGreaterThan(Math.min(before, SUBJECTS.length * EACH - 1)))
      child.kill('SIGKILL')
      await once(child, 'exit')
      killed.set(worker, Number((await sql<{ ms: number }>('select extract(epoch from clock_timestamp())::double precision * 1000 as ms'))[0]!.ms))
      workers[at % 3] = await next()
    }
    await eventually(async () => expect(await handled()).toBe(SUBJECTS.length * EACH))
    await Promise.all(workers.map(async ({ child }) => {
      child.send('stop')
      await once(child, 'exit')
    }))
    return killed
  }
  const calls = () => sql<{ subject: string, n: number, worker: string, began: number, ended: number | null }>(
    'select subject, n, worker, extract(epoch from began)::double precision * 1000 as began, extract(epoch from ended)::double precision * 1000 as ended from calls order by began',
  )
  return { url, sql, calls, killWhileWorking }
}

function expectNothingLost(calls: { subject: string, n: number }[]): void {
  for (const subject of SUBJECTS) {
    const firsts = [...new Set(calls.filter(call => call.subject === subject).map(({ n }) => n))]
    expect(firsts, `${subject}: every event, in order`).toEqual(Array.from({ length: EACH }, (_, n) => n))
  }
}

const options = { name: 'limited', leaseMs: LEASE_MS, pollInterval: 50, concurrency: 4, backoff: { first: 20, max: 200 }, maxAttempts: 100 } as const

describe.each(servers)('limits of consumers on $name whose processes are killed', ({ server }) => {
  it('are kept by rateLimit', { timeout: 120_000 }, async () => {
    const { sql, calls, killWhileWorking } = await prepare(server)
    const [limit, perMs] = [6, 1_000]
    const [{ ms }] = await sql<{ ms: number }>('select extract(epoch from clock_timestamp())::double precision * 1000 as ms') as [{ ms: number }]
    await killWhileWorking({ options: { ...options, transaction: 'none', rateLimit: { limit, perMs } }, workMs: 20 }, 4)
    const all = await calls()
    expectNothingLost(all)
    // However late a call notes its time: the one after the limit can't be earlier than a whole time after the start.
    all.forEach(({ began }, at) => expect(began - Number(ms), `call ${at}`).toBeGreaterThanOrEqual(Math.floor(at / limit) * perMs))
  })

  it('lose no event that waits for debounce', { timeout: 120_000 }, async () => {
    const { url, sql, calls } = await prepare(server)
    const plan = (worker: string) => ({ url, worker, options: { ...options, debounce: { ms: 1_000 } }, workMs: 0 })
    const killed = await start(plan('killed'))
    await eventually(async () => expect(await sql('select 1 from nvent_consumer_parked')).toHaveLength(SUBJECTS.length))
    killed.kill('SIGKILL')
    await once(killed, 'exit')
    const other = await start(plan('other'))
    await eventually(async () => expect(await sql('select distinct subject from calls where ended is not null and n = $1', [EACH - 1])).toHaveLength(SUBJECTS.length))
    await eventually(async () => expect(await sql('select 1 from nvent_consumer_parked')).toEqual([]))
    other.send('stop')
    await once(other, 'exit')
    for (const subject of SUBJECTS) expect((await calls()).filter(call => call.subject === subject).at(-1), subject).toMatchObject({ n: EACH - 1 })
  })

  it('are kept by concurrencyKey, and what a killed process has held is free after its lease', { timeout: 120_000 }, async () => {
    const { sql, calls, killWhileWorking } = await prepare(server)
    const atOnce = 2
    const killed = await killWhileWorking({ options: { ...options, transaction: 'none' }, atOnce, workMs: 60 }, 4)
    const all = await calls()
    expectNothingLost(all)
    for (const call of all) {
      const tenant = call.subject[0]
      const beside = all.filter(({ subject, worker, began, ended }) => subject[0] === tenant && began <= call.began && (ended ?? killed.get(worker) ?? Infinity) > call.began)
      expect(beside.length, `calls of ${tenant} when ${call.subject} ${call.n} began`).toBeLessThanOrEqual(atOnce)
    }
    expect(killed.size).toBe(4)
    expect(await sql('select 1 from nvent_consumer_slots where free_at > clock_timestamp()')).toEqual([])
  })
})
