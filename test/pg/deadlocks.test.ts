import { describe, expect, it } from 'vitest'
import { readTrace } from '../fixtures/traces/trace'
import { createStore } from '../../src/runtime/core/index'
import type { Store } from '../../src/runtime/core/types'
import { freshDatabase } from '../setup/database'
import type { Database } from '../setup/database'
import { servers } from './servers'

const range = (count: number): number[] => Array.from({ length: count }, (_, at) => at)

// What each of the callers of a store does; `DEADLOCK_CALLS=2000` looks for much longer.
const CALLS = Number(process.env.DEADLOCK_CALLS ?? 20)
const CALLERS = 40
const TIMEOUT = 60_000 + CALLS * 5_000

// Orders differ: 'B' comes before 'a' byte by byte, and U+FF5E before U+1F600, whose first UTF-16 unit is less.
const NAMES = range(60).map(at => `${['a', 'B', '_', 'é', '\uFF5E', '\u{1F600}'][at % 6]}${at}`)
const INDEXES = ['orders', 'nvent:flow:runs:busy', 'nvent:triggers']
const SUBJECTS = NAMES.map((name, at) => [`orders:${name}`, `nvent:flow:run:${name}`, `nvent:trigger:event:${name}`][at % 3]!)

/** The same choices in every run. */
interface Random {
  score(): number
  one<T>(of: T[]): T
  some<T>(of: T[]): T[]
}

type Call = (store: Store, random: Random) => Promise<unknown>

const kv: Call[] = [
  ({ kv }, { one }) => kv.set(one(NAMES), 'text'),
  ({ kv }, { one }) => kv.set(one(NAMES), 'text', 0.001),
  ({ kv }, { one }) => kv.delete(one(NAMES)),
  ({ kv }, { one }) => kv.increment(`n${one(NAMES)}`),
  ({ kv }, { one }) => kv.set(`n${one(NAMES)}`, 1),
  ({ kv }, { one }) => kv.delete(`n${one(NAMES)}`),
  rarely(({ kv }, { some }) => kv.setMany(some(NAMES).map(key => ({ key, value: 1, ttlSeconds: 60 })))),
  rarely(({ kv }) => kv.clear('*')),
  rarely(({ kv }) => kv.clear('n*')),
]

const index: Call[] = [
  ({ index }, { one, score }) => index.add(one(INDEXES), one(NAMES), score(), { status: 'busy', stats: { total: 1 } }),
  ({ index }, { one }) => index.update(one(INDEXES), one(NAMES), { status: 'calm', emittedEvents: { a: 1 } }),
  ({ index }, { one }) => index.update(one(INDEXES), one(NAMES), { note: 'flat' }),
  ({ index }, { one }) => index.increment(one(INDEXES), one(NAMES), 'stats.total').catch(unless('NOT_FOUND')),
  ({ index }, { one }) => index.increment(one(INDEXES), one(NAMES), 'completedSteps').catch(unless('NOT_FOUND')),
  rarely(({ index }, { one }) => index.delete(one(INDEXES), one(NAMES))),
  ({ index }, { one }) => index.readPage(one(INDEXES), { limit: 5 }),
  ({ index }, { one }) => index.get(one(INDEXES), one(NAMES)),
]

const event = { type: 'placed', data: { at: 1 } }
const streams: Call[] = [
  ({ stream }, { one }) => stream.append(one(SUBJECTS), event).catch(unless('ARCHIVED')),
  ({ stream }, { one }) => stream.append(one(SUBJECTS), event, { expectedVersion: 'exists' }).catch(unless('ARCHIVED', 'VERSION_CONFLICT')),
  ({ stream }, { one }) => stream.append(`nvent:flow:run:${one(NAMES)}`, event, { eventId: one(['1', '2', '3']) }).catch(unless('ARCHIVED')),
  ({ stream }, { one }) => stream.appendMany(one(SUBJECTS), [event, event, event]).catch(unless('ARCHIVED')),
  ({ stream }, { some }) => stream.appendAll(some(SUBJECTS).map(subject => ({ subject, events: [event] }))).catch(unless('ARCHIVED')),
  ({ stream }, { one }) => stream.truncateBefore(one(SUBJECTS), 10),
  rarely(({ stream }, { one }) => stream.delete(one(SUBJECTS))),
  rarely(({ stream }, { one }) => stream.archive(one(SUBJECTS))),
  ({ stream }, { one }) => stream.unarchive(one(SUBJECTS)),
  ({ stream }, { one }) => stream.read(one(SUBJECTS), { limit: 5 }),
  rarely(({ admin }) => admin.retention.run()),
]

const mixes: [string, Call[]][] = [
  ['kv', kv],
  ['kv.set and kv.delete', [kv[0]!, kv[2]!]],
  ['the index', index],
  ['index.update', [index[1]!, index[2]!]],
  ['streams', streams],
  ['all tiers', [...kv, ...index, ...streams]],
]

// Each mix on one of the servers: that rows are locked in one order on all of them is shown in lock-order.test.ts.
const runs = mixes.map(([name, calls], at) => ({ name, calls, ...onOneServer(at) }))

describe('calls of several stores on hot keys', () => {
  it.each(runs)('never end each other: $name, on $on', async ({ calls, server }) => {
    const database = await freshDatabase(server, { settings: { deadlock_timeout: '20ms' } })
    const refused = new Set<string>()
    await withStores(database, async (stores) => {
      await fill(stores[0]!)
      // Known to be small, tables are read as a whole, in an order of their own.
      await database.sql('analyze')
      await Promise.all(stores.flatMap((store, of) => range(CALLERS).map(async (caller) => {
        const random = randomFrom(of * CALLERS + caller)
        for (const _ of range(CALLS)) await random.one(calls)(store, random).catch((error: Error) => refused.add(error.message))
      })))
    })
    expect({ refused: [...refused], deadlocks: await deadlocksOf(database) }).toEqual({ refused: [], deadlocks: 0 })
  }, TIMEOUT)

  it('never end each other: what the real client sends, from three processes at once', async () => {
    const { server } = onOneServer(0)
    const database = await freshDatabase(server, { settings: { deadlock_timeout: '20ms' } })
    const { calls, flows } = readTrace()
    const refused = new Set<string>()
    await withStores(database, async (stores) => {
      for (const { id, score, metadata } of flows) await stores[0]!.index.add('nvent:flows', id, score, metadata)
      await Promise.all(stores.flatMap((store) => {
        const left = calls.slice(0, CALLS * 50)
        return range(CALLERS).map(async () => {
          for (let call = left.shift(); call; call = left.shift()) {
            const { tier, name, args } = call
            const method = (store[tier] as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>)[name]!
            await method(...args).catch(unless('NOT_FOUND')).catch((error: Error) => refused.add(error.message))
          }
        })
      }))
    })
    expect({ refused: [...refused], deadlocks: await deadlocksOf(database) }).toEqual({ refused: [], deadlocks: 0 })
  }, TIMEOUT)
})

function onOneServer(at: number) {
  const { name, server } = servers[at % servers.length]!
  return { on: name, server }
}

/** Three stores that put calls together, and one that does not; closed in the end. */
async function withStores(database: Database, work: (stores: Store[]) => Promise<unknown>): Promise<void> {
  const stores = [true, true, true, false].map(batching => createStore({
    connection: database.url, poolSize: 8, batching, logger: { info() {}, warn() {}, error() {} },
    sweepInterval: 50, retention: [{ subject: 'orders:*', maxCount: 5, action: 'archive' }], retentionInterval: 100,
  }))
  try {
    await Promise.all(stores.map(store => store.ready()))
    await work(stores)
  }
  finally {
    await Promise.all(stores.map(store => store.close()))
  }
}

/** Rows for all names, not in the order of their keys. */
async function fill(store: Store): Promise<void> {
  const names = NAMES.toReversed()
  for (const key of INDEXES) await Promise.all(names.map(name => store.index.add(key, name, 1, { stats: { total: 1 } })))
  await store.kv.setMany(names.flatMap(name => [{ key: name, value: 1 }, { key: `n${name}`, value: 1 }]))
  for (const subject of SUBJECTS.toReversed()) await store.stream.append(subject, event)
}

/** A server process reports what it counted when it ends at the latest. */
async function deadlocksOf({ sql, name }: Database): Promise<number> {
  for (;;) {
    const [others] = await sql('select count(*)::int as count from pg_stat_activity where datname = $1 and backend_type = \'client backend\' and pid <> pg_backend_pid()', [name])
    if (others!.count === 0) break
  }
  const [row] = await sql<{ deadlocks: number }>('select deadlocks::int from pg_stat_database where datname = $1', [name])
  return row!.deadlocks
}

function unless(...codes: string[]) {
  return (error: { code?: string }) => {
    if (!codes.includes(error.code ?? '')) throw error
  }
}

/** What takes many rows would else leave nothing for the others. */
function rarely(call: Call): Call {
  return async (store, random) => random.score() < 0.1 ? call(store, random) : undefined
}

function randomFrom(seed: number): Random {
  let state = seed + 1
  const score = () => {
    state = Math.imul(state ^ state >>> 15, 0x2C1B3C6D) + 0x9E3779B9 | 0
    return (state >>> 0) / 2 ** 32
  }
  const one = <T>(of: T[]): T => of[Math.floor(score() * of.length)]!
  return { score, one, some: of => [...new Set(range(10).map(() => one(of)))] }
}
