import { describe, expect, it } from 'vitest'
import { idsOf, metadataOf, unique, withoutVersion } from './context'
import type { Use } from './context'

/** The calls nvent 0.5 makes, in the order and with the values it makes them. */
export function nventSuite(use: Use): void {
  describe('what nvent does', () => {
    it('writes and reads the events of a flow run', async () => {
      const { store: { stream }, P } = use()
      const runId = unique('run')
      const subject = `${P}:flow:run:${runId}`
      const events = []
      events.push(await stream.append(subject, { type: 'flow.start', runId, flowName: 'f', data: { input: { a: 1 } } }))
      for (const stepName of ['first', 'second']) {
        const step = { runId, flowName: 'f', stepName, stepId: `${runId}__${stepName}`, attempt: 1 }
        events.push(await stream.append(subject, { type: 'step.started', ...step }))
        events.push(await stream.append(subject, { type: 'emit', ...step, data: { name: 'done', topic: 'x' } }))
        events.push(await stream.append(subject, { type: 'step.completed', ...step, data: { result: null } }))
      }
      events.push(await stream.append(subject, { type: 'flow.completed', runId, flowName: 'f' }))
      expect(await stream.read(subject)).toStrictEqual(events)
      expect(await stream.read(subject, { limit: 100 })).toStrictEqual(events)
      expect(await stream.read(subject, { limit: 2, types: ['emit', 'flow.start'], order: 'desc' })).toStrictEqual([events[5], events[2]])
      expect(events[1]).toMatchObject({ runId, flowName: 'f', stepName: 'first', stepId: `${runId}__first`, attempt: 1 })
      expect(await stream.delete(subject)).toBe(true)
    })

    it('writes and reads the events of a trigger', async () => {
      const { store: { stream }, P } = use()
      const triggerName = unique('trigger')
      const subject = `${P}:trigger:event:${triggerName}`
      const events = []
      for (const type of ['trigger.registered', 'trigger.fired', 'trigger.fired']) {
        events.push(await stream.append(subject, { type, triggerName, data: { payload: { a: type } } }))
      }
      expect(Object.keys(events[0]!).sort()).toStrictEqual(['data', 'id', 'triggerName', 'ts', 'type'])
      expect(await stream.read(subject, { limit: 10_000, order: 'desc' })).toStrictEqual([...events].reverse())
      expect(await stream.read(subject, { limit: 1, types: ['trigger.fired'], order: 'desc' })).toStrictEqual([events[2]])
      expect(await stream.delete(subject)).toBe(true)
    })

    it('keeps the analyzed flows and their statistics', async () => {
      const { store: { index }, store, P } = use()
      const [key, name] = [`${P}:flows`, unique('flow')]
      const now = Date.now()
      const metadata = {
        name, displayName: name, registeredAt: now, stats: { total: 0, success: 0, failure: 0, cancel: 0, running: 0, awaiting: 0 },
      }
      await index.add(key, name, now, { ...metadata, version: 1 })
      expect(await metadataOf(store, key, name)).toStrictEqual(metadata)
      await index.increment(key, name, 'stats.total', 1)
      await index.increment(key, name, 'stats.running', 1)
      await index.updateWithRetry(key, name, { lastRunAt: new Date(now).toISOString() })
      expect(await index.increment(key, name, 'stats.running', -1)).toBe(0)
      expect(await index.increment(key, name, 'stats.success')).toBe(1)
      await index.updateWithRetry(key, name, { lastCompletedAt: new Date(now + 1).toISOString() })
      expect(await index.update(key, name, { stats: { running: 2, awaiting: 3 } })).toBe(true)
      const flow = (await index.read(key, { limit: 10_000 })).find(({ id }) => id === name)!
      expect(flow).toStrictEqual({
        id: name, score: now, metadata: {
          ...metadata, lastRunAt: new Date(now).toISOString(), lastCompletedAt: new Date(now + 1).toISOString(),
          stats: { total: 1, success: 1, failure: 0, cancel: 0, running: 2, awaiting: 3 }, version: 7,
        },
      })
      expect(idsOf(await index.read(key, { limit: 100 }))).toContain(name)
      expect(await index.delete(key, name)).toBe(true)
    })

    it('follows a run through its states', async () => {
      const { store: { index }, store, P } = use()
      const flow = unique('flow')
      const [key, runId] = [`${P}:flow:runs:${flow}`, unique('run')]
      const now = Date.now()
      const start = { status: 'running', startedAt: now, lastActivityAt: now, stepCount: 0, completedSteps: 0, emittedEvents: {} }
      await index.add(key, runId, now, start)
      expect(await metadataOf(store, key, runId)).toStrictEqual(start)
      expect(await index.increment(key, runId, 'completedSteps', 1)).toBe(1)
      await index.updateWithRetry(key, runId, { emittedEvents: { first: { done: now + 1 } } })
      await index.updateWithRetry(key, runId, { emittedEvents: { first: { more: now + 2 }, second: { done: now + 3 } } })
      const awaiting = { status: 'awaiting', stepName: 'second', awaitType: 'time', position: 'before', config: { delay: 5 }, registeredAt: now, timeoutAt: now + 5 }
      await index.updateWithRetry(key, runId, { awaitingSteps: { 'second:before': awaiting } })
      await index.updateWithRetry(key, runId, { status: 'awaiting', stepCount: 2 })
      const filter = { status: ['running', 'awaiting'] }
      expect(idsOf(await index.read(key, { limit: 10, offset: 0, filter }))).toStrictEqual([runId])
      await index.updateWithRetry(key, runId, { awaitingSteps: { 'second:before': null } })
      expect(await index.update(key, runId, { status: 'stalled', previousStatus: 'awaiting', stalledAt: now + 6, stallReason: 'No activity' })).toBe(true)
      expect(await index.read(key, { filter })).toStrictEqual([])
      await index.updateWithRetry(key, runId, { status: 'completed', completedAt: now + 7, stepCount: 2 })
      expect(await metadataOf(store, key, runId)).toStrictEqual({
        ...start, completedSteps: 1, status: 'completed', stepCount: 2, completedAt: now + 7, awaitingSteps: {},
        emittedEvents: { first: { done: now + 1, more: now + 2 }, second: { done: now + 3 } },
        previousStatus: 'awaiting', stalledAt: now + 6, stallReason: 'No activity',
      })
      expect(await index.delete(key, runId)).toBe(true)
    })

    it('registers triggers, counts them and keeps their subscriptions', async () => {
      const { store: { index }, store, P } = use()
      const [key, name] = [`${P}:triggers`, unique('trigger')]
      const iso = '2026-02-03T04:05:06.789Z'
      await index.add(key, name, Date.parse(iso), {
        name, 'type': 'webhook', 'scope': 'flow', 'status': 'active', 'displayName': name, 'description': undefined, 'source': undefined, 'webhook': { path: '/hook', method: 'POST' },
        'schedule': undefined, 'config': { a: 1 }, 'registeredAt': iso, 'registeredBy': 'code', 'lastActivityAt': iso,
        'stats.totalFires': 0, 'stats.totalFlowsStarted': 0, 'stats.activeSubscribers': 0, 'stats.lastFiredAt': undefined,
      })
      const metadata = {
        name, type: 'webhook', scope: 'flow', status: 'active', displayName: name, webhook: { path: '/hook', method: 'POST' }, config: { a: 1 },
        registeredAt: iso, registeredBy: 'code', lastActivityAt: iso, stats: { totalFires: 0, totalFlowsStarted: 0, activeSubscribers: 0 },
      }
      expect(await metadataOf(store, key, name)).toStrictEqual(metadata)
      const mode = { mode: 'auto', subscribedAt: iso }
      await index.updateWithRetry(key, name, { subscriptions: { a: mode } })
      await index.updateWithRetry(key, name, { subscriptions: { 'b': mode, 'flow.with.dots': mode } })
      expect(await index.increment(key, name, 'stats.activeSubscribers')).toBe(1)
      await index.updateWithRetry(key, name, { subscriptions: { a: null } })
      expect(await index.increment(key, name, 'stats.totalFires', 1)).toBe(1)
      await index.updateWithRetry(key, name, { stats: { lastFiredAt: iso }, lastActivityAt: iso })
      await index.updateWithRetry(key, name, { status: 'inactive' })
      expect(await metadataOf(store, key, name)).toStrictEqual({
        ...metadata, status: 'inactive', subscriptions: { 'b': mode, 'flow.with.dots': mode },
        stats: { totalFires: 1, totalFlowsStarted: 0, activeSubscribers: 1, lastFiredAt: iso },
      })
      expect(await index.delete(key, name)).toBe(true)
    })

    it('persists scheduler jobs', async () => {
      const { store: { index }, P } = use()
      const key = `${P}:scheduler:jobs`
      const now = Date.now()
      const jobs = [
        { id: unique('cron'), name: 'Nightly', type: 'cron', cron: '0 0 * * *', timezone: 'UTC', enabled: true, metadata: { flow: 'f' }, persistedAt: now },
        { id: unique('interval'), name: 'Often', type: 'interval', interval: 60_000, enabled: false, metadata: {}, persistedAt: now },
        { id: unique('once'), name: 'Once', type: 'one-time', executeAt: now + 5000, enabled: true, persistedAt: now },
      ]
      for (const job of jobs) await index.add(key, job.id, now, job)
      const stored = await index.read(key, { limit: 10_000 })
      for (const job of jobs) expect(withoutVersion(stored.find(({ id }) => id === job.id)!)).toStrictEqual(job)
      for (const { id } of jobs) expect(await index.delete(key, id)).toBe(true)
    })

    it('takes locks, keeps state and payloads in keys', async () => {
      const { store: { kv }, P } = use()
      const run = unique('run')
      const lock = `${P}:scheduler:lock:${run}`
      expect(await kv.get(lock)).toBeNull()
      expect(await kv.increment(lock)).toBe(1)
      await kv.set(lock, { owner: 'me', at: 1 }, 30)
      expect(await kv.get(lock)).toStrictEqual({ owner: 'me', at: 1 })
      await kv.delete(lock)
      for (const name of ['a', 'b:c', 'd']) await kv.set(`nq:flow:${run}:${name}`, { name })
      await kv.set(`nq:flow:${run}2:a`, 'of another run')
      expect(await kv.clear(`nq:flow:${run}:*`)).toBe(3)
      expect(await kv.get(`nq:flow:${run}2:a`)).toBe('of another run')
      await kv.set(`payload:trigger:${Date.now()}-${run}`, { big: 'x'.repeat(10_000) }, 604_800)
      await kv.set('__health_check__', 'ok')
      expect(await kv.get('__health_check__')).toBe('ok')
    })

    it('updates an entry that is only being added', async () => {
      const { store, P } = use()
      const [key, id] = [`${P}:flow:runs:${unique('flow')}`, unique('run')]
      await Promise.all([
        store.index.updateWithRetry(key, id, { status: 'completed' }, 10),
        store.index.add(key, id, 1, { status: 'running', stepCount: 1 }),
      ])
      expect(await metadataOf(store, key, id)).toStrictEqual({ status: 'completed', stepCount: 1 })
    })
  })
}
