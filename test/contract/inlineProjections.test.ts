/** Projections whose states are made in the transaction of an append, on every database. */
import { describe, expect, it, onTestFinished } from 'vitest'
import { isStoreError } from '../../src/runtime/core/index'
import type { ConsumedEvent, Projection } from '../../src/runtime/core/index'
import type { ProjectOptions } from '../../src/runtime/core/projections/types'
import type { Store } from '../../src/runtime/core/types'
import { embeddedAndServer, postgres18 } from '../setup/backends'
import { openStore } from '../setup/database'
import { eventually } from '../setup/eventually'
import { collect } from './suite/context'

const quick = { pollInterval: 20, leaseMs: 20_000, backoff: { first: 20, max: 100 } }
const range = (count: number) => Array.from({ length: count }, (_, at) => at)
const SUBJECTS = range(10).map(at => `accounts:${at}`)

interface Total { sum: number, count: number }

const amountOf = (event: ConsumedEvent) => (event.data as { amount: number }).amount
const paid = (amount: number) => ({ type: 'paid', data: { amount } })

function add(state: Total, event: ConsumedEvent): Total {
  if (amountOf(event) < 0) throw new RangeError('less than nothing')
  return { sum: state.sum + amountOf(event), count: state.count + 1 }
}

const inline = { ...quick, name: 'totals', mode: 'inline' as const, subjects: ['accounts:*'], init: { sum: 0, count: 0 } }
const totals = { ...inline, handle: add }

async function serving<State>(store: Store, options: ProjectOptions<State, State> & { init: State }): Promise<Projection> {
  const projection = store.project(options)
  await projection.start()
  onTestFinished(() => projection.stop())
  await projection.whenCaughtUp({ timeout: 90_000 })
  return projection
}

async function folded(store: Store, keyOf: (subject: string) => string = subject => subject): Promise<Record<string, Total>> {
  const states: Record<string, Total> = {}
  for await (const { subject, event } of store.stream.readAll({ subjects: ['accounts:*'] })) {
    const key = keyOf(subject)
    states[key] = add(states[key] ?? { sum: 0, count: 0 }, { ...event, subject })
  }
  return states
}

async function served(store: Store, name = 'totals'): Promise<Record<string, unknown>> {
  return Object.fromEntries((await collect(store.projections.all(name))).map(({ key, state }) => [key, state]))
}

/** Appends until it is told to stop; what fails is counted by code. */
function writer(store: Store, failures: Record<string, number> = {}) {
  let isOver = false
  let appended = 0
  const work = Promise.all(range(6).map(async (at) => {
    while (!isOver) {
      const subject = SUBJECTS[(at + appended) % SUBJECTS.length]!
      try {
        if (at === 0) await store.transaction(async tx => tx.stream.append(subject, paid(1)))
        else if (at === 1) await store.stream.appendAll([{ subject, events: [paid(1), paid(2)] }, { subject: 'accounts:all', events: [paid(1)] }])
        else await store.stream.append(subject, paid(at))
        appended++
      }
      catch (error) {
        const code = isStoreError(error) ? error.code : String(error)
        failures[code] = (failures[code] ?? 0) + 1
      }
    }
  }))
  return {
    appended: () => appended,
    async stop() {
      isOver = true
      await work
    },
  }
}

describe.each([...embeddedAndServer, postgres18])('inline projections on $name', ({ open, openMore, available }) => {
  const fresh = openMore ?? open

  it.runIf(available())('give the new state as soon as an append has resolved', async () => {
    const { store } = await fresh()
    await store.stream.append('accounts:0', paid(5))
    const projection = await serving(store, totals)
    expect(await store.projections.get('totals', 'accounts:0')).toEqual({ sum: 5, count: 1 })
    for (const n of range(5)) {
      const { id } = await store.stream.append('accounts:0', paid(n))
      expect((await store.projections.list('totals')).entries).toMatchObject([{ key: 'accounts:0', state: { count: n + 2 }, position: id }])
    }
    await store.stream.append('other:0', paid(-1))
    await store.stream.appendMany('accounts:1', range(20).map(paid))
    expect(await served(store)).toEqual(await folded(store))
    expect(await projection.status()).toMatchObject({ state: 'running', building: null, serving: { mode: 'inline', state: 'serving', lag: 0, progress: 1, parked: 0 } })
  })

  it.runIf(available())('refuse an append whose handler fails, and keep nothing of it', async () => {
    const { store } = await fresh()
    await serving(store, totals)
    await store.stream.append('accounts:0', paid(1))
    const refused = store.stream.append('accounts:0', paid(-1))
    await expect(refused).rejects.toMatchObject({ code: 'PROJECTION_FAILED', details: { projection: 'totals', version: 1, subject: 'accounts:0' } })
    await expect(refused).rejects.toSatisfy((error: Error) => error.cause instanceof RangeError)
    await expect(store.stream.appendMany('accounts:0', [paid(1), paid(-1)])).rejects.toMatchObject({ code: 'PROJECTION_FAILED' })
    await expect(store.stream.appendAll([{ subject: 'accounts:1', events: [paid(1)] }, { subject: 'accounts:2', events: [paid(-1)] }])).rejects.toMatchObject({ code: 'PROJECTION_FAILED' })
    expect(await store.stream.read('accounts:0')).toHaveLength(1)
    expect(await served(store)).toEqual({ 'accounts:0': { sum: 1, count: 1 } })
    expect(await folded(store)).toEqual(await served(store))
  })

  it.runIf(available())('are made for calls that share a transaction, each of which still fails alone', async () => {
    const { store } = await fresh()
    const sizes: number[] = []
    await serving(store, {
      ...inline, handleBatch(states: Map<string, Total>, events) {
        sizes.push(events.length)
        for (const { key, event } of events) states.set(key, add(states.get(key)!, event))
      },
    })
    for (const bad of [13, 40]) {
      const outcomes = await Promise.allSettled(range(64).map(at => store.stream.append(SUBJECTS[at % 10]!, paid(at === bad ? -1 : at))))
      expect(outcomes.flatMap(({ status }, at) => status === 'rejected' ? [at] : [])).toEqual([bad])
      expect(outcomes[bad]).toMatchObject({ reason: { code: 'PROJECTION_FAILED' } })
    }
    expect(await served(store)).toEqual(await folded(store))
    expect(Math.max(...sizes)).toBeGreaterThan(8)
  })

  it.runIf(available())('count an event once that is appended twice with its id, and none whose expectation is not met', async () => {
    const { store } = await fresh()
    await serving(store, totals)
    for (const _ of range(2)) await Promise.all(range(40).map(at => store.stream.append(SUBJECTS[at % 4]!, paid(at), { eventId: `e${at % 20}` })))
    await store.stream.appendMany('accounts:0', [paid(100), paid(0)], { eventIds: ['new', 'e0'] })
    const outcomes = await Promise.allSettled(range(30).map(at => store.stream.append(SUBJECTS[at % 10]!, paid(1), { expectedVersion: at < 10 ? 'exists' : 'no-stream' })))
    expect(outcomes.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(10)
    const states = await folded(store)
    expect(states['accounts:0']!.count).toBe(7)
    expect(await served(store)).toEqual(states)
  })

  it.runIf(available())('belong to the transaction that appends', async () => {
    const { store } = await fresh()
    await serving(store, totals)
    await store.transaction(async (tx) => {
      await tx.stream.append('accounts:0', paid(1))
      await tx.stream.appendAll([{ subject: 'accounts:1', events: [paid(1), paid(2)] }, { subject: 'accounts:0', events: [paid(1)] }])
    })
    expect(await served(store)).toEqual({ 'accounts:0': { sum: 2, count: 2 }, 'accounts:1': { sum: 3, count: 2 } })
    await expect(store.transaction(async (tx) => {
      await tx.stream.append('accounts:0', paid(1))
      throw new Error('no')
    })).rejects.toThrow('no')
    // What is refused is taken back, and the rest of the transaction holds.
    await store.transaction(async (tx) => {
      await tx.stream.append('accounts:2', paid(7))
      await expect(tx.stream.append('accounts:2', paid(-1))).rejects.toMatchObject({ code: 'PROJECTION_FAILED' })
      await tx.stream.append('accounts:3', paid(7))
    })
    expect(await served(store)).toEqual(await folded(store))
    expect(await served(store)).toMatchObject({ 'accounts:2': { count: 1 }, 'accounts:3': { count: 1 } })
  })

  it.runIf(available())('are made when a session is saved', async () => {
    const { store } = await fresh()
    await serving(store, totals)
    const accounts = store.aggregate({ name: 'accounts', initial: 0, evolve: (sum: number, event: { data?: unknown }) => sum + (event.data as { amount: number }).amount })
    const session = store.session()
    session.start(accounts, '1', paid(5))
    session.start(accounts, '2', paid(6), paid(7))
    await session.save()
    expect(await served(store)).toEqual({ 'accounts:1': { sum: 5, count: 1 }, 'accounts:2': { sum: 13, count: 2 } })
    const other = store.session()
    ;(await other.load(accounts, '1')).append(paid(1))
    ;(await other.load(accounts, '2')).append(paid(-1))
    await expect(other.save()).rejects.toMatchObject({ code: 'PROJECTION_FAILED' })
    await accounts.handle('1', () => paid(2))
    expect(await served(store)).toEqual({ 'accounts:1': { sum: 7, count: 2 }, 'accounts:2': { sum: 13, count: 2 } })
  })

  it.runIf(available())('join the events of several subjects under one key, from several stores and in any order, without a deadlock', async () => {
    const { store, pool } = await fresh()
    const keyOf = (subject: string) => Number(subject.at(-1)) % 3 === 0 ? 'third' : 'others'
    const options = { ...totals, key: ({ subject }: ConsumedEvent) => keyOf(subject) }
    await serving(store, options)
    const second = { ...options, name: 'again' }
    await serving(store, second)
    const stores = [store, pool ? openStore({ pool }) : store]
    stores[1]!.project(options)
    stores[1]!.project(second)
    await Promise.all(stores.flatMap((each, turn) => range(15).map(async (at) => {
      const entries = [0, 1, 2, 3].map(n => ({ subject: `accounts:${(at + n) % 10}`, events: [paid(n)] }))
      await each.stream.appendAll(turn === 0 ? entries : entries.toReversed())
      await Promise.all(range(5).map(n => each.stream.append(`accounts:${(at * 3 + n) % 10}`, paid(n))))
    })))
    const states = await folded(store, keyOf)
    expect(states.third!.count + states.others!.count).toBe(2 * 15 * 9)
    expect(await served(store)).toEqual(states)
    expect(await served(store, 'again')).toEqual(states)
  })

  it.runIf(available())('write to tables of the caller in the same transaction, and remove states', async () => {
    const { store } = await fresh()
    await serving(store, {
      ...totals, types: ['paid', 'closed'],
      prepare: async ({ tx, build }) => tx.query(`create table inline_${build} (subject text, amount bigint)`),
      async handle(state: Total, event: ConsumedEvent, { tx, build }): Promise<Total | null> {
        if (event.type === 'closed') return null
        void tx.query(`insert into inline_${build} values ($1, $2)`, [event.subject, amountOf(event)])
        return add(state, event)
      },
    })
    await store.stream.append('accounts:0', paid(3))
    await store.stream.append('accounts:1', paid(4))
    await expect(store.stream.append('accounts:1', paid(-4))).rejects.toMatchObject({ code: 'PROJECTION_FAILED' })
    await store.stream.append('accounts:0', { type: 'closed' })
    expect(await served(store)).toEqual({ 'accounts:1': { sum: 4, count: 1 } })
    const { rows } = await store.transaction(tx => tx.query('select * from inline_1 order by subject'))
    expect(rows).toEqual([{ subject: 'accounts:0', amount: '3' }, { subject: 'accounts:1', amount: '4' }])
    await store.stream.append('accounts:0', paid(1))
    expect(await store.projections.get('totals', 'accounts:0')).toEqual({ sum: 1, count: 1 })
    await store.transaction(tx => tx.query('drop table inline_1'))
  })

  it.runIf(available())('can\'t append to what belongs to an inline projection, but run side effects after the commit', async () => {
    const { store } = await fresh()
    const sent: number[] = []
    await serving(store, {
      ...totals, sideEffects: event => void sent.push(amountOf(event)),
      async handle(state: Total, event: ConsumedEvent, { tx }): Promise<Total> {
        await tx.stream.append(amountOf(event) === 9 ? 'accounts:9' : 'other:1', paid(1))
        return add(state, event)
      },
    })
    await expect(store.stream.append('accounts:0', paid(9))).rejects.toMatchObject({ code: 'PROJECTION_FAILED', cause: { code: 'INVALID_CALL' } })
    await store.stream.append('accounts:0', paid(8))
    expect(await store.stream.read('other:1')).toHaveLength(1)
    await eventually(() => expect(sent).toEqual([8]))
  })

  it.runIf(available())('take over from the build while others append, and miss and repeat no event', { timeout: 120_000 }, async () => {
    const { store, pool } = await fresh()
    const stores = [store, ...pool ? [openStore({ pool }), openStore({ pool })] : []]
    await Promise.all(range(200).map(at => store.stream.append(SUBJECTS[at % 10]!, paid(at))))
    for (const each of stores) each.project(totals)
    const failures: Record<string, number> = {}
    const writers = stores.map(each => writer(each, failures))
    const projection = await serving(store, totals)
    const before = writers.map(each => each.appended())
    await eventually(() => writers.forEach((each, at) => expect(each.appended()).toBeGreaterThan(before[at]! + 5)))
    await store.projections.rebuild('totals')
    await projection.whenCaughtUp({ timeout: 60_000 })
    await Promise.all(writers.map(each => each.stop()))
    expect(failures).toEqual({})
    expect(await served(store)).toEqual(await folded(store))
    expect(await store.projections.checkpoint('totals')).toMatchObject({ serving: { build: 2 }, builds: [{ build: 2 }] })
    await eventually(async () => expect((await store.admin.consumers.list()).map(({ name }) => name)).toEqual([]))
  })

  it.runIf(available())('change to another version while others append', { timeout: 120_000 }, async () => {
    const { store, pool } = await fresh()
    const stores = [store, ...pool ? [openStore({ pool })] : []]
    const green = { ...totals, version: 2, handle: (state: Total, event: ConsumedEvent) => ({ ...add(state, event), version: 2 }) }
    for (const each of stores) [totals, green].forEach(options => each.project(options))
    await serving(store, totals)
    const failures: Record<string, number> = {}
    const writers = stores.map(each => writer(each, failures))
    await eventually(() => writers.forEach(each => expect(each.appended()).toBeGreaterThan(10)))
    await serving(stores.at(-1)!, green)
    const before = writers.map(each => each.appended())
    await eventually(() => writers.forEach((each, at) => expect(each.appended()).toBeGreaterThan(before[at]! + 10)))
    await Promise.all(writers.map(each => each.stop()))
    expect(failures).toEqual({})
    const states = await folded(store)
    expect(await served(store)).toEqual(Object.fromEntries(Object.entries(states).map(([key, state]) => [key, { ...state, version: 2 }])))
    // The states of the old one are not kept up to date.
    await expect(store.projections.serve('totals', 1)).rejects.toMatchObject({ code: 'INVALID_CALL' })
    expect(await store.projections.remove('totals', 1)).toBe(true)
  })

  it.runIf(available())('refuse an append of a process that does not have their code, and only that', async () => {
    const { store, pool } = await fresh()
    if (!pool) return
    const other = openStore({ pool })
    await other.stream.append('accounts:0', paid(1))
    await serving(store, totals)
    // It knows nothing of the projection yet.
    await expect(other.stream.append('accounts:0', paid(1))).rejects.toMatchObject({ code: 'PROJECTION_MISSING', details: { projection: 'totals', version: 1, subject: 'accounts:0' } })
    const outcomes = await Promise.allSettled(range(40).map(at => other.stream.append(at === 7 ? 'accounts:1' : `others:${at % 9}`, paid(1))))
    expect(outcomes.flatMap(({ status }, at) => status === 'rejected' ? [at] : [])).toEqual([7])
    await other.transaction(async (tx) => {
      await expect(tx.stream.appendMany('accounts:0', [paid(1)])).rejects.toMatchObject({ code: 'PROJECTION_MISSING' })
      await tx.stream.append('others:1', paid(1))
    })
    expect(await served(store)).toEqual({ 'accounts:0': { sum: 1, count: 1 } })
    other.project(totals)
    await other.stream.append('accounts:0', paid(1))
    expect(await served(store)).toEqual(await folded(store))
    expect(await store.projections.remove('totals')).toBe(true)
    await openStore({ pool }).stream.append('accounts:0', paid(1))
    await other.stream.append('accounts:0', paid(-1))
    expect(await store.projections.get('totals', 'accounts:0')).toBeNull()
  })

  it.runIf(available()).each(['read committed', 'repeatable read'] as const)('begin in the middle of a transaction of level %s', async (isolation) => {
    const { store, pool } = await fresh()
    if (!pool) return
    const [other, third] = [openStore({ pool }), openStore({ pool })]
    for (const each of [other, third]) each.project(totals)
    await other.stream.append('accounts:0', paid(1))
    await third.ready()
    let runs = 0
    for (const each of [other, third]) {
      await each.transaction(async (tx) => {
        runs++
        await tx.query('select 1 from nvent_heads limit 1')
        if (runs === 1) await serving(store, totals)
        await tx.stream.append('accounts:1', paid(1))
        await tx.stream.append('accounts:2', paid(1))
      }, { isolation })
    }
    expect(runs).toBe(3)
    expect(await served(store)).toEqual(await folded(store))
    // In a transaction of the caller's own that can't be run again.
    const client = await pool.connect()
    try {
      await client.query(`begin isolation level ${isolation}`)
      await openStore({ pool }).with(client).stream.append('others:1', paid(1)).catch((error: unknown) => expect(error).toMatchObject({ retryable: true }))
      await client.query('rollback')
      const joined = other.with(client)
      await client.query(`begin isolation level ${isolation}`)
      await joined.stream.append('accounts:1', paid(5))
      await client.query('commit')
    }
    finally {
      client.release()
    }
    expect(await served(store)).toEqual(await folded(store))
  })

  it.runIf(available())('refuse what they can\'t do', async () => {
    const { store } = await fresh()
    expect(() => store.project({ ...totals, mode: 'sometimes' as never })).toThrow(expect.objectContaining({ code: 'INVALID_VALUE' }) as Error)
    await serving(store, totals)
    await store.stream.append('accounts:0', paid(1))
    await expect(store.projections.truncate('totals')).rejects.toMatchObject({ code: 'INVALID_CALL', message: expect.stringContaining('rebuild()') as string })
    await expect(store.project({ ...totals, subjects: ['*'] }).start()).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    await expect(store.project({ ...totals, mode: 'async' }).start()).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    await expect(store.project({ ...totals, version: 2, mode: 'async' }).start()).rejects.toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining('inline') as string })
    await store.projections.put('totals', 'accounts:0', { sum: 100, count: 10 })
    await store.stream.append('accounts:0', paid(1))
    expect(await store.projections.get('totals', 'accounts:0')).toEqual({ sum: 101, count: 11 })
    // One that is async so far.
    const options = { ...totals, name: 'later', mode: 'async' as const }
    await serving(store, options)
    await serving(store, { ...options, mode: 'inline', version: 2 })
    await store.stream.append('accounts:0', paid(1))
    expect(await store.projections.get('later', 'accounts:0')).toEqual({ sum: 3, count: 3 })
    await expect(store.projections.serve('later', 1)).rejects.toMatchObject({ code: 'INVALID_CALL' })
  })
})
