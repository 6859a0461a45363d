/** Projections that are made in the background, on every database. */
import { describe, expect, it } from 'vitest'
import type { ConsumedEvent } from '../../src/runtime/core/index'
import { embeddedAndServer, postgres18 } from '../setup/backends'
import { eventually } from '../setup/eventually'
import { SUBJECTS, add, amountOf, fill, folded, quick, served, started, totals } from '../setup/projections'
import type { Total } from '../setup/projections'

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
