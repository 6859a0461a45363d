import { expect } from 'vitest'
import type { Peer } from '../setup/peer/index'
import type { EventRecord } from '../../src/runtime/core/shared/event'
import type { IndexEntry } from '../../src/runtime/core/entries/types'
import type { Store } from '../../src/runtime/core/types'

export const START = 1_700_000_000_000
const EVERYTHING = { limit: 1_000_000 }

export interface Amounts { flows: number, runs: number, events: number, triggers: number, fires: number, jobs: number, keys: number }

/** What the published adapter gave back before it was adopted. */
export interface Content {
  streams: Map<string, EventRecord[]>
  indexes: Map<string, IndexEntry[]>
  values: Map<string, unknown>
}

/** Fills every table of the published adapter by its own calls, the way nvent makes them. */
export async function fill(peer: Peer, { flows, runs, events, triggers, fires, jobs, keys }: Amounts): Promise<void> {
  const perFlow = range(runs).map(at => ({ at, flow: `flow-${at % flows}`, run: `run-${at}` }))
  await together(range(flows), async (at) => {
    const stats = { total: at, success: at, failure: 0, cancel: 0, running: 0, awaiting: 0 }
    await peer.index.add('nvent:flows', `flow-${at}`, START + at, { name: `flow-${at}`, displayName: `Flow ${at}`, registeredAt: START + at, stats, version: 1 })
    await peer.index.increment('nvent:flows', `flow-${at}`, 'stats.total')
    await peer.index.updateWithRetry('nvent:flows', `flow-${at}`, { lastRunAt: new Date(START + at).toISOString() })
  })
  await together(perFlow, async ({ at, flow, run }) => {
    await peer.index.add(`nvent:flow:runs:${flow}`, run, START + at, {
      status: 'running', startedAt: START + at, lastActivityAt: START + at, stepCount: 0, completedSteps: 0, emittedEvents: {},
    })
    for (const step of range(Math.ceil(events / runs))) {
      await peer.stream.append(`nvent:flow:run:${run}`, {
        type: step % 3 === 0 ? 'step.started' : 'step.completed', runId: run, flowName: flow, stepName: `step ${step}`, stepId: `${run}:${step}`, attempt: step % 3, data: { at, step, text: 'é "x"' },
      })
    }
  })
  await together(range(triggers), async (at) => {
    await peer.index.add('nvent:triggers', `trigger-${at}`, START + at, {
      'name': `trigger-${at}`, 'type': 'event', 'scope': 'flow', 'status': 'active', 'displayName': `Trigger ${at}`, 'registeredAt': new Date(START + at).toISOString(),
      'stats.totalFires': 0, 'webhook': at % 2 ? { path: `/hook/${at}` } : undefined, 'subscriptions': {},
    })
    await peer.index.increment('nvent:triggers', `trigger-${at}`, 'stats.totalFires', 2)
    await peer.index.updateWithRetry('nvent:triggers', `trigger-${at}`, { subscriptions: { 'flow-0': { mode: 'auto', subscribedAt: 'now' } }, stats: { lastFiredAt: new Date(START).toISOString() } })
    for (const fire of range(Math.ceil(fires / triggers))) {
      await peer.stream.append(`nvent:trigger:event:trigger-${at}`, { type: 'fired', triggerName: `trigger-${at}`, data: { fire } } as never)
    }
  })
  await together(range(jobs), async at => peer.index.add('nvent:scheduler:jobs', `job-${at}`, START + at, {
    id: `job-${at}`, name: `Job ${at}`, type: at % 2 ? 'cron' : 'interval', cron: '* * * * *', interval: at % 2 ? undefined : 5000, executeAt: START + at, timezone: 'UTC', enabled: at % 2 === 0, metadata: { flow: 'flow-0' },
  }))
  await together(range(keys), async at => peer.kv.set(`key:${at}`, at % 2 ? { at } : [at, 'text'], at % 3 ? undefined : 86_400))
}

/** Everything, by the adapter's own calls. */
export async function contentOf(peer: Peer, amounts: Amounts): Promise<Content> {
  const content: Content = { streams: new Map(), indexes: new Map(), values: new Map() }
  const subjects = [...range(amounts.runs).map(at => `nvent:flow:run:run-${at}`), ...range(amounts.triggers).map(at => `nvent:trigger:event:trigger-${at}`)]
  const indexes = ['nvent:flows', 'nvent:triggers', 'nvent:scheduler:jobs', ...range(amounts.flows).map(at => `nvent:flow:runs:flow-${at}`)]
  await together(subjects, async subject => void content.streams.set(subject, await peer.stream.read(subject, EVERYTHING)))
  await together(indexes, async key => void content.indexes.set(key, await peer.index.read(key, EVERYTHING)))
  await together(range(amounts.keys).map(at => `key:${at}`), async key => void content.values.set(key, await peer.kv.get(key)))
  return content
}

/** Our store gives back all of it. */
export async function expectSame(store: Store, content: Content): Promise<void> {
  const ids: bigint[] = []
  for (const [subject, expected] of content.streams) {
    const events = await store.stream.read(subject)
    ids.push(...events.map(({ id }) => BigInt(id)))
    expect(events.map(plainEvent), subject).toEqual(expected.map(plainEvent))
  }
  expect(new Set(ids).size).toBe(ids.length)
  for (const [key, expected] of content.indexes) {
    expect((await store.index.read(key, EVERYTHING)).map(plainEntry), key).toEqual(expected.map(plainEntry))
  }
  const keys = [...content.values.keys()]
  expect(await store.kv.getMany(keys)).toEqual([...content.values.values()])
}

/** An event without its id; the adapter gives a trigger's name back as that of a flow. */
function plainEvent({ id: _, ...event }: EventRecord): Record<string, unknown> {
  const { triggerName, ...rest } = event as Record<string, unknown>
  return triggerName === undefined ? { ...rest, data: event.data ?? undefined } : { ...rest, flowName: triggerName, runId: '' }
}

/** Times as milliseconds and numbers as numbers: the adapter makes texts of both. */
function plainEntry({ id, score, metadata }: IndexEntry): unknown {
  const plain = (value: unknown, name: string): unknown => {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return Object.fromEntries(Object.entries(value).map(([member, inner]) => [member, plain(inner, member)]))
    }
    if (name.endsWith('At') && typeof value === 'string' && !Number.isNaN(Date.parse(value))) return Date.parse(value)
    return name === 'interval' ? Number(value) : value
  }
  return { id, score, metadata: plain(metadata, '') }
}

export const range = (count: number): number[] => Array.from({ length: count }, (_, at) => at)

/** Some at a time: the adapter's pool has ten connections. */
export async function together<T>(items: T[], call: (item: T) => Promise<unknown>): Promise<void> {
  const rest = items.values()
  await Promise.all(range(16).map(async () => {
    for (const item of rest) await call(item)
  }))
}
