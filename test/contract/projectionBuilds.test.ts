/** Versions of projections, beside each other and one after the other, and states that are put by hand. */
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { ConsumedEvent } from '../../src/runtime/core/index'
import { embeddedAndServer, postgres18 } from '../setup/backends'
import { gate } from '../setup/consumers'
import { eventually } from '../setup/eventually'
import { SUBJECTS, add, amountOf, fill, folded, served, started, totals } from '../setup/projections'
import type { Total } from '../setup/projections'

describe.each([...embeddedAndServer, postgres18])('projections on $name', ({ open, openMore, available }) => {
  const fresh = openMore ?? open

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
})
