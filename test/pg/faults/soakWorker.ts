import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { createStore, isStoreError } from '../../../src/runtime/core/index'
import type { Store } from '../../../src/runtime/core/index'
import type { Heard, Ledger, Plan, Written } from './soakLedger'
import { COUNTERS, SUBJECTS, newLedger } from './soakLedger'

/**
 * One process of the soak: writers that mix all calls until they are told to stop, and remember what they were told
 * of each. It answers with its ledger, which `soak.test.ts` compares with what the database holds.
 */
const LOOPS = 16
// Far more than any pause of the server, and than `connectTimeout`: what has not settled by then never will.
const HANGING_MS = 90_000

const plan = JSON.parse(process.argv[2]!) as Plan
const ledger: Ledger = newLedger(plan.name)
const store = createStore({
  connection: plan.url, prefix: 'soak', poolSize: 8, pollInterval: 100, sweepInterval: 1_000, retentionInterval: 1_000,
  retention: [{ subject: 'old:*', maxCount: 20, action: 'archive' }, { subject: 'noise:*', maxCount: 50, action: 'drop' }],
  logger: { info() {}, warn() {}, error() {} },
})
let running = true
let next = 0

/** Whether a call was carried out; `unknown` when its connection was lost. Anything else is kept for the report. */
async function attempt(call: string, run: () => Promise<unknown>, expected: string[] = []): Promise<boolean> {
  ledger.calls++
  const since = new Date().toISOString()
  const watchdog = setTimeout(() => ledger.hanging.push(`${call} since ${since}`), HANGING_MS)
  try {
    await run()
    return true
  }
  catch (error) {
    if (!isStoreError(error)) ledger.refused.push(`${call}: ${String(error)}`)
    else if (error.details.sqlState === '40P01') ledger.deadlocks.push(`${call}: ${error.message}`)
    else if (!error.retryable && !expected.includes(error.code)) ledger.refused.push(`${call}: ${error.code} ${error.message}`)
    // A database that is away answers at once.
    await sleep(20)
    return false
  }
  finally {
    clearTimeout(watchdog)
  }
}

const any = <T>(list: readonly T[]): T => list[randomInt(list.length)]!
const subject = () => any(SUBJECTS)
const some = (kind: string, most: number) => `${kind}:${randomInt(most)}`
const event = (number: number, group: number, writer: number) => ({ type: 'written', data: { process: plan.name, number, group, writer } satisfies Written })

/** Appends of one group: all of them are there, or none. */
async function write(call: string, count: number, writer: number, run: (events: ReturnType<typeof event>[], group: number) => Promise<unknown>): Promise<void> {
  const group = next
  const events = Array.from({ length: count }, () => event(next++, group, writer))
  const done = await attempt(call, () => run(events, group))
  ledger.groups.push({ group, count, done, call })
}

async function count(call: string, key: string, run: () => Promise<unknown>): Promise<void> {
  const counted = ledger.counters[key] ??= { done: 0, unknown: 0 }
  counted[await attempt(call, run) ? 'done' : 'unknown']++
}

/** A value that only grows, under a key of one writer. */
async function raise(call: string, key: string, run: (value: number) => Promise<unknown>): Promise<void> {
  const raised = ledger.raised[key] ??= { done: 0, tried: 0 }
  const value = ++raised.tried
  if (await attempt(call, () => run(value))) raised.done = value
}

function callsOf(writer: number): ((store: Store) => Promise<unknown>)[] {
  const own = `${plan.name}-${writer}`
  return [
    // Kept and counted.
    ({ stream }) => write('append', 1, writer, ([one]) => stream.append(subject(), one!)),
    ({ stream }) => write('append', 1, writer, ([one], group) => stream.append(subject(), one!, { eventId: `${plan.name} ${group}` })),
    ({ stream }) => write('appendMany', 3, writer, events => stream.appendMany(subject(), events)),
    ({ stream }) => write('appendAll', 2, writer, ([first, second]) => {
      const [one, other] = [randomInt(SUBJECTS.length), randomInt(1, SUBJECTS.length)]
      return stream.appendAll([
        { subject: SUBJECTS[one]!, events: [first!] }, { subject: SUBJECTS[(one + other) % SUBJECTS.length]!, events: [second!] },
      ])
    }),
    store => write('transaction', 2, writer, ([first, second], group) => store.transaction(async (tx) => {
      const target = subject()
      await tx.stream.append(target, first!)
      await tx.kv.set(`both:${plan.name}:${group}`, group)
      await tx.stream.append(target, second!)
    })),
    async ({ stream }) => {
      // The same id again, until it is known to be there: exactly one event.
      const group = next
      const target = subject()
      const one = event(next++, group, writer)
      let done = false
      while (!done) done = await attempt('append again', () => stream.append(target, one, { eventId: `again ${plan.name} ${group}` }))
      ledger.groups.push({ group, count: 1, done, call: 'append again' })
    },
    ({ kv }) => {
      const key = any(COUNTERS)
      return count('kv.increment', `kv ${key}`, () => kv.increment(key))
    },
    ({ index }) => {
      const id = any(COUNTERS)
      return count('index.increment', `index ${id}`, () => index.increment('counters', id, 'stats.n'))
    },
    ({ kv }) => raise('kv.set', `kv ${own}`, value => kv.set(own, value)),
    ({ index }) => raise('index.update', `index ${own}`, value => index.update('own', own, { value, nested: { value } })),
    // A transaction that is rejected writes nothing, whatever else it has begun.
    ({ stream }) => count('append', `kept ${own}`, () => stream.append(`kept:${own}`, { type: 'kept' })),
    store => attempt('rejected transaction', () => store.transaction(tx => Promise.all([
      tx.index.increment('counters', 'missing', 'n'), tx.stream.delete(`kept:${own}`), tx.kv.set(own, -1),
    ])), ['NOT_FOUND']),
    // Calls that are not awaited keep their order.
    async ({ stream }) => {
      const gone = `gone:${own}`
      const calls = [() => stream.append(gone, { type: 'gone' }), () => stream.appendMany(gone, [{ type: 'gone' }]), () => stream.delete(gone)]
      const [, , deleted] = await Promise.all(calls.map(run => attempt('append and delete', run)))
      if (!deleted) return
      await attempt('read what was deleted', async () => {
        if ((await stream.read(gone)).length > 0) ledger.refused.push(`an event of ${gone} has outlived the deletion that was called after it`)
      })
    },
    // Only there to be in the way.
    ({ kv }) => attempt('kv.set', () => kv.set(some('noise', 60), 'x', 1)),
    ({ kv }) => attempt('kv.setMany', () => kv.setMany([1, 2, 3, 4].map(value => ({ key: some('noise', 60), value })))),
    ({ kv }) => attempt('kv.delete', () => kv.delete(some('noise', 60))),
    ({ kv }) => attempt('kv.clear', () => kv.clear(`noise:${randomInt(6)}*`)),
    ({ kv }) => attempt('kv.get', () => kv.get(some('noise', 60))),
    ({ index }) => attempt('index.add', () => index.add('noise', some('n', 60), randomInt(100), { n: 0, status: any(['a', 'b']) })),
    ({ index }) => attempt('index.update', () => index.update('noise', some('n', 60), { status: any(['a', 'b']), at: { x: 1 } })),
    ({ index }) => attempt('index.increment', () => index.increment('noise', some('n', 60), 'n'), ['NOT_FOUND']),
    ({ index }) => attempt('index.delete', () => index.delete('noise', some('n', 60))),
    ({ index }) => attempt('index.readPage', () => index.readPage('noise', { limit: 20, filter: { status: 'a' } })),
    ({ stream }) => attempt('append', () => stream.append(some('noise', 30), { type: 'noise', data: 1 }), ['ARCHIVED']),
    ({ stream }) => attempt('append', () => stream.append(some('old', 10), { type: 'noise', data: 1 })),
    ({ stream }) => attempt('delete', () => stream.delete(some('noise', 30))),
    ({ stream }) => attempt('archive', () => stream.archive(some('noise', 30))),
    ({ stream }) => attempt('unarchive', () => stream.unarchive(some('noise', 30))),
    ({ stream }) => attempt('truncateBefore', () => stream.truncateBefore(some('noise', 30), 3)),
    ({ stream }) => attempt('read', () => stream.read(subject(), { order: 'desc', limit: 20 })),
  ]
}

async function loop(writer: number): Promise<void> {
  const calls = callsOf(writer)
  while (running) {
    await any(calls)(store)
    await sleep(randomInt(4))
  }
}

/** Follows all that is written, from the start. */
async function follow(): Promise<void> {
  await store.stream.subscribe('soak:*', (event) => {
    const { process: name, number } = event.data as Written
    if (BigInt(event.id) <= BigInt(ledger.followed.last)) ledger.followed.backwards++
    ledger.followed.last = event.id
    ledger.followed.seen++
    // A sum tells whether an event was skipped or came twice, and is small enough to be sent.
    ledger.followed.sum += number + 1
    ledger.followed.names[name] = (ledger.followed.names[name] ?? 0) + 1
  }, { from: 'start' })
}

const say = (message: Heard) => void process.send!(message)

process.on('message', async (message: { stop: true } | { caughtUp: string }) => {
  if ('stop' in message) {
    running = false
    await Promise.all(loops)
    return say({ stopped: true })
  }
  while (BigInt(ledger.followed.last) < BigInt(message.caughtUp)) await sleep(50)
  await store.close()
  say({ ledger })
})

await store.ready()
await follow()
for (let writer = 0; writer < LOOPS; writer++) await store.index.add('own', `${plan.name}-${writer}`, 0, { value: 0 })
const loops = Array.from({ length: LOOPS }, (_, writer) => loop(writer))
say({ ready: true })
