import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { expect, it, onTestFinished } from 'vitest'
import type { Store } from '../../../src/runtime/core/index'
import { compiled } from '../../setup/compiled'
import { useOwnServer } from './own'
import type { Heard, Ledger, Plan, Written } from './soakLedger'
import { COUNTERS, SUBJECTS } from './soakLedger'

// Ten minutes: SOAK_SECONDS=600 npx vitest run --project pg test/pg/faults/soak.test.ts
const SECONDS = Number(process.env.SOAK_SECONDS ?? 20)
const PROCESSES = ['one', 'two', 'three']

const { server, open } = useOwnServer({ fsync: 'on', full_page_writes: 'on' })

interface Worker {
  child: ChildProcess
  /** Rejects when the process ends before its ledger has come. */
  ended: Promise<never>
  hear<K extends string>(member: K): Promise<Extract<Heard, Record<K, unknown>>>
}

it('three processes mix all calls while backends are terminated and the server is restarted: nothing lost, doubled or hanging', { timeout: (SECONDS + 300) * 1_000 }, async () => {
  const store = open({ prefix: 'soak' })
  await store.ready()
  for (const id of COUNTERS) await store.index.add('counters', id, 0, { stats: { n: 0 } })
  const workers = await Promise.all(PROCESSES.map(name => start({ name, url: server().url })))
  const chaos = disturb(SECONDS)
  const deadlocks = await Promise.race([chaos, ...workers.map(({ ended }) => ended)])
  await Promise.all(workers.map(({ child, hear }) => {
    child.send({ stop: true })
    return hear('stopped')
  }))

  const found = await contents(store)
  const ledgers = await Promise.all(workers.map(async ({ child, hear }) => {
    child.send({ caughtUp: String(found.last) })
    return (await hear('ledger')).ledger
  }))
  console.info(summary(ledgers))

  for (const ledger of ledgers) {
    expect(ledger.hanging, 'calls that never settled').toEqual([])
    expect(ledger.refused.slice(0, 20), 'calls that were refused').toEqual([])
    expect(ledger.deadlocks.slice(0, 20)).toEqual([])
    checkGroups(ledger, found.numbers.get(ledger.name) ?? new Map())
    await checkRaised(ledger, store)
    await checkKept(ledger, store)
    await checkBoth(ledger, found.numbers.get(ledger.name)!, store)
    expect({ ...ledger.followed, names: undefined }, 'what its subscription has seen').toMatchObject({ seen: found.seen, sum: found.sum, backwards: 0 })
  }
  expect(deadlocks).toBe(0)
  await checkCounters(ledgers, store)
})

async function start(plan: Plan): Promise<Worker> {
  const child = fork(compiled('test/pg/faults/soakWorker.ts'), [JSON.stringify(plan)], {
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  })
  let stderr = ''
  child.stderr!.on('data', chunk => stderr += String(chunk))
  const ended = once(child, 'exit').then(([code, signal]): never => {
    throw new Error(`process ${plan.name} has ended (${code ?? signal}): ${stderr.slice(0, 2_000)}`)
  })
  ended.catch(() => {})
  onTestFinished(() => void child.kill('SIGKILL'))
  const hear = (member: string) => new Promise((resolve) => {
    child.on('message', (message: Heard) => member in message && resolve(message))
  })
  const worker: Worker = { child, ended, hear: member => Promise.race([hear(member), ended]) as never }
  await worker.hear('ready')
  return worker
}

/** Terminates backends every second, and restarts the server twice. Returns how many deadlocks there were. */
async function disturb(seconds: number): Promise<number> {
  const restarts = new Map<number, 'immediate' | 'fast'>([[Math.floor(seconds / 3), 'immediate'], [Math.floor(seconds * 2 / 3), 'fast']])
  let deadlocks = 0
  for (let second = 0; second < seconds; second++) {
    const mode = restarts.get(second)
    deadlocks += mode === undefined ? 0 : await deadlocksSoFar()
    if (mode === undefined) {
      await administer(`select pg_terminate_backend(pid) from pg_stat_activity
        where backend_type = 'client backend' and pid <> pg_backend_pid() order by random() limit 4`)
    }
    else {
      await server().halt(mode)
      await server().start()
      // A fast stop keeps the counts, a crash does not: either way they begin again here.
      await administer('select pg_stat_reset()')
    }
    await sleep(1_000)
  }
  return deadlocks + await deadlocksSoFar()
}

const deadlocksSoFar = async () => Number((await administer('select deadlocks from pg_stat_database where datname = current_database()'))[0]!.deadlocks)

async function administer(text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: server().url })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(text)).rows
  }
  finally {
    await client.end()
  }
}

interface Contents {
  /** How often each number of each process is there. */
  numbers: Map<string, Map<number, number>>
  seen: number
  sum: number
  last: bigint
}

/** Reads every subject, and looks whether the events of each writer are in the order they were written in. */
async function contents(store: Store): Promise<Contents> {
  const found: Contents = { numbers: new Map(PROCESSES.map(name => [name, new Map()])), seen: 0, sum: 0, last: 0n }
  for (const subject of SUBJECTS) {
    const last = new Map<string, number>()
    for await (const { id, data } of store.stream.iterate(subject)) {
      const { process, number, writer } = data as Written
      const numbers = found.numbers.get(process)!
      numbers.set(number, (numbers.get(number) ?? 0) + 1)
      expect(number, `order of writer ${writer} of ${process} in ${subject}`).toBeGreaterThan(last.get(`${process} ${writer}`) ?? -1)
      last.set(`${process} ${writer}`, number)
      found.seen++
      found.sum += number + 1
      if (BigInt(id) > found.last) found.last = BigInt(id)
    }
  }
  return found
}

function checkGroups({ name, groups }: Ledger, numbers: Map<number, number>): void {
  const wrong = groups.flatMap(({ group, count, done, call }) => {
    const times = Array.from({ length: count }, (_, at) => numbers.get(group + at) ?? 0)
    const whole = times.every(each => each === 1)
    const absent = times.every(each => each === 0)
    return whole || (absent && !done) ? [] : [`${call} of ${group}: ${times.join(' ')}, ${done ? 'acknowledged' : 'unknown'}`]
  })
  expect(wrong, `events of ${name} that are lost, doubled or there in part`).toEqual([])
  expect(groups.filter(({ done }) => done).length).toBeGreaterThan(0)
}

async function checkRaised({ raised }: Ledger, store: Store): Promise<void> {
  for (const [key, { done, tried }] of Object.entries(raised)) {
    const [tier, name] = key.split(' ') as [keyof typeof valueIn, string]
    const value = await valueIn[tier](store, name)
    expect(value, key).toBeGreaterThanOrEqual(done)
    expect(value, key).toBeLessThanOrEqual(tried)
  }
}

/** Where a value is that only grew. */
const valueIn = {
  kv: async (store: Store, name: string) => await store.kv.get<number>(name) ?? 0,
  index: async (store: Store, name: string) => (await store.index.get('own', name))!.metadata!.value as number,
}

/** Streams whose deletion was begun by transactions that were rejected. */
async function checkKept({ counters }: Ledger, store: Store): Promise<void> {
  for (const [key, { done, unknown }] of Object.entries(counters)) {
    const [tier, name] = key.split(' ') as [string, string]
    if (tier !== 'kept') continue
    const events = (await store.stream.read(`kept:${name}`)).length
    expect(events, key).toBeGreaterThanOrEqual(done)
    expect(events, key).toBeLessThanOrEqual(done + unknown)
  }
}

/** Both halves of each transaction, or none of them. */
async function checkBoth({ name, groups }: Ledger, numbers: Map<number, number>, store: Store): Promise<void> {
  const transactions = groups.filter(({ call }) => call === 'transaction')
  const values = await store.kv.getMany(transactions.map(({ group }) => `both:${name}:${group}`))
  const torn = transactions.filter(({ group }, at) => (values[at] === group) !== (numbers.get(group) === 1))
  expect(torn, `transactions of ${name} that are there in part`).toEqual([])
}

async function checkCounters(ledgers: Ledger[], store: Store): Promise<void> {
  for (const id of COUNTERS) {
    const values = { kv: await store.kv.get<number>(id) ?? 0, index: ((await store.index.get('counters', id))!.metadata!.stats as { n: number }).n }
    for (const tier of ['kv', 'index'] as const) {
      const counts = ledgers.map(({ counters }) => counters[`${tier} ${id}`] ?? { done: 0, unknown: 0 })
      const done = counts.reduce((sum, each) => sum + each.done, 0)
      expect(values[tier], `${tier} ${id}`).toBeGreaterThanOrEqual(done)
      expect(values[tier], `${tier} ${id}`).toBeLessThanOrEqual(done + counts.reduce((sum, each) => sum + each.unknown, 0))
    }
  }
}

const summary = (ledgers: Ledger[]) => ledgers.map(({ name, calls, groups, followed }) =>
  `${name}: ${calls} calls, ${groups.length} appends, ${groups.filter(({ done }) => !done).length} of them unknown, ${followed.seen} events followed`).join('\n')
