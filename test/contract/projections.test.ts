/** Projections that are made in the background, on every database. */
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { ConsumedEvent, Projection } from '../../src/runtime/core/index'
import type { Store } from '../../src/runtime/core/types'
import { embeddedAndServer, postgres18 } from '../setup/backends'
import { gate } from '../setup/consumers'
import { eventually } from '../setup/eventually'
import { collect } from './suite/context'

const quick = { pollInterval: 20, leaseMs: 20_000, backoff: { first: 20, max: 100 } }
const range = (count: number) => Array.from({ length: count }, (_, at) => at)
const SUBJECTS = range(10).map(at => `accounts:${at}`)

interface Total { sum: number, count: number }

const amountOf = (event: ConsumedEvent) => (event.data as { amount: number }).amount
const add = (state: Total, event: ConsumedEvent): Total => ({ sum: state.sum + amountOf(event), count: state.count + 1 })
const totals = { ...quick, name: 'totals', subjects: ['accounts:*'], init: { sum: 0, count: 0 }, handle: add }

async function started(projection: Projection): Promise<Projection> {
  await projection.start()
  onTestFinished(() => projection.stop())
  return projection
}

async function fill(store: Store, each = 5): Promise<void> {
  for (const n of range(each)) await Promise.all(SUBJECTS.map((subject, at) => store.stream.append(subject, { type: 'paid', data: { amount: n + at } })))
}

/** What a fresh fold of the log gives. */
async function folded(store: Store): Promise<Record<string, Total>> {
  const states: Record<string, Total> = {}
  for await (const { subject, event } of store.stream.readAll({ subjects: ['accounts:*'] })) states[subject] = add(states[subject] ?? { sum: 0, count: 0 }, { ...event, subject })
  return states
}

async function served(store: Store, name = 'totals'): Promise<Record<string, unknown>> {
  return Object.fromEntries((await collect(store.projections.all(name))).map(({ key, state }) => [key, state]))
}

describe.each([...embeddedAndServer, postgres18])('projections on $name', ({ open, openMore, available }) => {
  const fresh = openMore ?? open

  it.runIf(available())('keep a state for each key, which is the fold of its events', async () => {
    const { store } = await fresh()
    await fill(store)
    await store.stream.append('other:1', { type: 'paid', data: { amount: 1 } })
    const projection = await started(store.project(totals))
    await projection.whenCaughtUp()
    expect(await served(store)).toEqual(await folded(store))
    await fill(store, 2)
    await projection.whenCaughtUp()
    const states = await folded(store)
    expect(await served(store)).toEqual(states)
    expect(await store.projections.get('totals', 'accounts:3')).toEqual(states['accounts:3'])
    expect(await store.projections.getMany('totals', ['accounts:4', 'nothing', 'accounts:1'])).toEqual([states['accounts:4'], null, states['accounts:1']])
    expect(await projection.status()).toMatchObject({ name: 'totals', version: 1, state: 'running', building: null, serving: { build: 1, version: 1, state: 'serving', lag: 0, progress: 1, parked: 0 } })
    const first = await store.projections.list<Total>('totals', { glob: 'accounts:*', limit: 7 })
    const second = await store.projections.list<Total>('totals', { glob: 'accounts:*', limit: 7, cursor: first.cursor })
    expect([...first.entries, ...second.entries].map(({ key }) => key)).toEqual(SUBJECTS)
    expect(second.cursor).toBeNull()
    expect((await store.stream.read('accounts:0')).at(-1)!.id).toBe(first.entries[0]!.position)
    await projection.stop()
    expect(await projection.status()).toMatchObject({ state: 'stopped' })
  })

  it.runIf(available())('keep no state that a handler removes, and change none for which it returns nothing', async () => {
    const { store } = await fresh()
    for (const type of ['opened', 'ignored', 'closed', 'opened']) await store.stream.append('doors:1', { type })
    await store.stream.append('doors:2', { type: 'opened' })
    const projection = await started(store.project<{ events: string[] }>({
      ...quick, name: 'doors', batchSize: 1,
      handle: (state, event) => event.type === 'closed' ? null : event.type === 'ignored' ? undefined : { events: [...state?.events ?? [], event.type] },
    }))
    await projection.whenCaughtUp()
    expect(await served(store, 'doors')).toEqual({ 'doors:1': { events: ['opened'] }, 'doors:2': { events: ['opened'] } })
    await store.stream.append('doors:2', { type: 'closed' })
    await projection.whenCaughtUp()
    expect(await served(store, 'doors')).toEqual({ 'doors:1': { events: ['opened'] } })
    expect(await store.projections.get('doors', 'doors:2')).toBeNull()
  })

  it.runIf(available()).each(['global', 'subject'] as const)('join the events of several subjects under one key: order %s', async (order) => {
    const { store } = await fresh()
    await fill(store)
    const projection = await started(store.project({
      ...totals, name: 'parity', order, shards: order === 'global' ? 1 : 8, buildConcurrency: 4, batchSize: 3,
      key: ({ subject }: ConsumedEvent) => subject === 'accounts:9' ? null : Number(subject.at(-1)) % 2 === 0 ? 'even' : 'odd',
    }))
    await projection.whenCaughtUp()
    expect(await served(store, 'parity')).toEqual({ even: { sum: 150, count: 25 }, odd: { sum: 120, count: 20 } })
  })

  it.runIf(available())('handle several events at once', async () => {
    const { store } = await fresh()
    await fill(store)
    const sizes: number[] = []
    const projection = await started(store.project<Total>({
      ...quick, name: 'totals', subjects: ['accounts:*'], init: () => ({ sum: 0, count: 0 }),
      handleBatch(states, events) {
        sizes.push(events.length)
        for (const { key, event } of events) {
          if (event.type === 'closed') states.delete(key)
          else states.set(key, add(states.get(key) ?? { sum: 0, count: 0 }, event))
        }
      },
    }))
    await projection.whenCaughtUp()
    expect(await served(store)).toEqual(await folded(store))
    expect(Math.max(...sizes)).toBeGreaterThan(1)
    await store.stream.append('accounts:0', { type: 'closed' })
    await projection.whenCaughtUp()
    expect(Object.keys(await served(store))).toEqual(SUBJECTS.slice(1))
  })

  it.runIf(available())('hold back the key whose event fails, while the others go on, and keep every event once', async () => {
    const { store } = await fresh()
    await fill(store, 3)
    let isBroken = true
    let failures = 0
    const projection = await started(store.project({
      ...totals, maxAttempts: 1_000, handle(state: Total, event: ConsumedEvent) {
        if (isBroken && event.subject === 'accounts:5' && state.count === 1) throw new Error('does not know this event')
        if (Math.random() < 0.05 && failures++ < 10) throw new Error('now and then')
        return add(state, event)
      },
    }))
    await eventually(async () => expect(await projection.status()).toMatchObject({ building: { parked: 1, lag: 0 }, serving: null }))
    // Readers do not get states one of which is behind.
    expect(await store.projections.get('totals', 'accounts:1')).toBeNull()
    isBroken = false
    await projection.whenCaughtUp()
    expect(await served(store)).toEqual(await folded(store))
  })

  it.runIf(available())('build a changed version beside the old one, which serves until the new one has caught up', async () => {
    const { store } = await fresh()
    await fill(store)
    const blue = await started(store.project(totals))
    await blue.whenCaughtUp()
    let isOpen = false
    let half = false
    const green = await started(store.project({
      ...totals, version: 2, batchSize: 10, maxAttempts: 1_000, handle(state: Total, event: ConsumedEvent) {
        if (half && !isOpen) throw new Error('not yet')
        half = true
        return { ...add(state, event), doubled: 2 * (state.sum + amountOf(event)) }
      },
    }))
    await fill(store, 1)
    await eventually(async () => expect(await store.projections.get('totals', 'accounts:0')).toEqual((await folded(store))['accounts:0']))
    expect(await green.status()).toMatchObject({ serving: { version: 1 }, building: { version: 2, build: 2, state: 'building' } })
    const reading = (async () => {
      const forms = new Set<string>()
      for (;;) {
        const states = Object.values(await served(store)) as (Total & { doubled?: number })[]
        expect(states).toHaveLength(SUBJECTS.length)
        // Never less than was there before, whichever version it is.
        expect(Math.min(...states.map(({ count }) => count))).toBeGreaterThanOrEqual(5)
        forms.add(states.map(({ doubled }) => doubled === undefined ? '1' : '2').join(''))
        if (states.every(({ doubled }) => doubled !== undefined)) return forms
        await sleep(5)
      }
    })()
    isOpen = true
    const forms = await reading
    expect([...forms].filter(form => new Set(form).size > 1).length).toBeLessThanOrEqual(1)
    await green.whenCaughtUp()
    expect(await store.projections.checkpoint('totals')).toMatchObject({ serving: { version: 2 }, building: null, builds: [{ version: 2 }, { version: 1, state: 'retired' }] })
    // The old one is kept, and is kept up to date where a process has its handler.
    await fill(store, 1)
    await store.projections.serve('totals', 1)
    await blue.whenCaughtUp()
    expect(await served(store)).toEqual(await folded(store))
    await expect(store.projections.remove('totals', 1)).rejects.toMatchObject({ code: 'INVALID_CALL' })
    await store.projections.serve('totals', 2)
    expect(await store.projections.remove('totals', 1)).toBe(true)
    expect(await store.projections.remove('totals', 1)).toBe(false)
    await expect(store.projections.serve('totals', 1)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await blue.stop()
    await expect(store.project(totals).start()).rejects.toMatchObject({ code: 'INVALID_CALL', message: expect.stringContaining('was removed') as string })
    expect(await store.admin.consumers.list()).toMatchObject([{ name: 'projection:totals:2' }])
    await green.whenCaughtUp()
    expect(Object.values(await served(store))).toHaveLength(SUBJECTS.length)
  })

  it.runIf(available())('build the same version again beside itself, and run no side effect twice', async () => {
    const { store } = await fresh()
    await fill(store, 1)
    const sent: string[] = []
    let wrong = 100
    const projection = await started(store.project({
      ...totals, sideEffects: event => void sent.push(event.id),
      handle: (state: Total, event: ConsumedEvent) => ({ sum: add(state, event).sum + wrong, count: state.count + 1 }),
    }))
    await projection.whenCaughtUp()
    await fill(store, 1)
    await projection.whenCaughtUp()
    await eventually(() => expect(sent).toHaveLength(SUBJECTS.length))
    expect(await served(store)).not.toEqual(await folded(store))
    wrong = 0
    expect(await store.projections.rebuild('totals')).toMatchObject({ build: 2, version: 1, state: 'building', position: null })
    await expect(store.projections.rebuild('totals')).rejects.toMatchObject({ code: 'INVALID_CALL' })
    await projection.whenCaughtUp()
    expect(await served(store)).toEqual(await folded(store))
    expect(sent).toHaveLength(SUBJECTS.length)
    // Nothing is left of what was wrong.
    await eventually(async () => expect((await store.admin.consumers.list()).map(({ name }) => name)).toEqual(['projection:totals', 'projection:totals:2']))
    expect(await store.projections.checkpoint('totals')).toMatchObject({ builds: [{ build: 2 }] })
  })

  it.runIf(available())('write to tables of the caller in the same transaction', async () => {
    const { store } = await fresh()
    await fill(store, 3)
    let prepared = 0
    let failures = 0
    const projection = await started(store.project({
      ...totals, batchSize: 7,
      async prepare({ tx, build }) {
        prepared++
        await tx.query(`create table sums_${build} (subject text primary key, sum bigint not null)`)
      },
      async handle(state: Total, event: ConsumedEvent, { tx, build }) {
        await tx.query(`insert into sums_${build} as s values ($1, $2) on conflict (subject) do update set sum = s.sum + excluded.sum`, [event.subject, amountOf(event)])
        if (Math.random() < 0.2 && failures++ < 5) throw new Error('now and then')
        return add(state, event)
      },
    }))
    await projection.whenCaughtUp()
    const { rows } = await store.transaction(tx => tx.query<{ subject: string, sum: string }>('select * from sums_1 order by subject'))
    expect(Object.fromEntries(rows.map(({ subject, sum }) => [subject, Number(sum)]))).toEqual(Object.fromEntries(Object.entries(await folded(store)).map(([key, { sum }]) => [key, sum])))
    expect(prepared).toBe(1)
    await store.transaction(tx => tx.query('drop table sums_1'))
  })

  it.runIf(available())('continue from a state that was put by hand, also while events of its key are handled', async () => {
    const { store } = await fresh()
    await fill(store, 1)
    const { opened, open: go } = gate()
    let isSlow = false
    let entered = false
    const projection = await started(store.project({
      ...totals, async handle(state: Total, event: ConsumedEvent) {
        if (isSlow && event.subject === 'accounts:1') {
          entered = true
          await opened
        }
        return add(state, event)
      },
    }))
    await projection.whenCaughtUp()
    await store.projections.put('totals', 'accounts:0', { sum: 1_000, count: 7 })
    await store.projections.put('totals', 'accounts:2', null)
    await store.projections.put('totals', 'by:hand', { sum: 0, count: 0 })
    expect(await store.projections.getMany('totals', ['accounts:0', 'accounts:2', 'by:hand'])).toEqual([{ sum: 1_000, count: 7 }, null, { sum: 0, count: 0 }])
    // The embedded database has one connection, which the transaction of the handler holds.
    isSlow = store.admin.metrics().pool !== null
    await store.stream.append('accounts:1', { type: 'paid', data: { amount: 1 } })
    if (isSlow) {
      await eventually(() => expect(entered).toBe(true))
      await store.projections.put('totals', 'accounts:1', { sum: 500, count: 1 })
      go()
      await projection.whenCaughtUp()
      expect(await store.projections.get('totals', 'accounts:1')).toEqual({ sum: 501, count: 2 })
    }
    await store.stream.append('accounts:0', { type: 'paid', data: { amount: 1 } })
    await store.stream.append('accounts:2', { type: 'paid', data: { amount: 1 } })
    await projection.whenCaughtUp()
    expect(await store.projections.getMany('totals', ['accounts:0', 'accounts:2'])).toEqual([{ sum: 1_001, count: 8 }, { sum: 1, count: 1 }])
  })

  it.runIf(available())('begin again from nothing when truncated, and are forgotten when removed', async () => {
    const { store } = await fresh()
    await fill(store, 2)
    const projection = await started(store.project(totals))
    await projection.whenCaughtUp()
    await store.projections.put('totals', 'accounts:0', { sum: 1_000, count: 7 })
    await store.projections.truncate('totals')
    await eventually(async () => expect(await served(store)).toEqual(await folded(store)))
    await projection.stop()
    expect(await store.projections.remove('totals')).toBe(true)
    expect(await store.projections.remove('totals')).toBe(false)
    expect(await store.projections.checkpoint('totals')).toBeNull()
    expect(await store.projections.get('totals', 'accounts:0')).toBeNull()
    expect(await store.admin.consumers.list()).toEqual([])
    const { rows: [left] } = await store.transaction(tx => tx.query('select count(*)::int as states from nvent_projection_states'))
    expect(left).toEqual({ states: 0 })
    await store.project(totals).runOnce()
    expect(await served(store)).toEqual(await folded(store))
  })

  it.runIf(available())('run once where a process is frozen between requests', async () => {
    const { store } = await fresh()
    await fill(store, 2)
    const sent: string[] = []
    const projection = store.project({ ...totals, sideEffects: event => void sent.push(event.subject) })
    expect(await projection.runOnce()).toEqual({ handled: 20, caughtUp: true })
    expect(await served(store)).toEqual(await folded(store))
    await store.stream.append('accounts:1', { type: 'paid', data: { amount: 1 } })
    expect(await projection.runOnce()).toEqual({ handled: 1, caughtUp: true })
    expect(sent).toEqual(['accounts:1'])
    expect(await served(store)).toEqual(await folded(store))
  })

  it.runIf(available())('refuse what can\'t be right', async () => {
    const { store } = await fresh()
    const project = (options: object) => () => store.project(options as never)
    expect(project({ ...totals, name: 'totals:1' })).toThrow('must not end with a colon and a number')
    expect(project({ ...totals, handles: 1 })).toThrow('did you mean handle')
    expect(project({ ...totals, handleBatch: () => {} })).toThrow('options.handle')
    expect(project({ ...totals, version: 0 })).toThrow('options.version')
    expect(project({ ...totals, mode: 'sometimes' })).toThrow('options.mode')
    for (const call of [() => store.projections.rebuild('none'), () => store.projections.serve('none', 1), () => store.projections.truncate('none'), () => store.projections.put('none', 'a', 1)]) {
      await expect(call()).rejects.toMatchObject({ code: 'NOT_FOUND' })
    }
    const projection = await started(store.project(totals))
    await expect(projection.runOnce()).rejects.toMatchObject({ code: 'INVALID_CALL' })
  })
})
