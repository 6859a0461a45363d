import { describe, expect, it } from 'vitest'
import { readTrace } from '../fixtures/traces/trace'
import type { TraceCall } from '../fixtures/traces/trace'
import type { Store } from '../../src/runtime/core/types'
import { pglite, postgres18 } from '../setup/backends'
import { canonical, expectedOf, expectSame, outcomeOf } from '../model/harness'
import { createOracle } from '../model/oracle'
import type { Oracle } from '../model/oracle'

type Call = (...args: unknown[]) => unknown

// 4,835 calls, one after the other
const TIMEOUT = 300_000

const trace = readTrace()
const touched = (tier: TraceCall['tier']): string[] =>
  [...new Set(trace.calls.filter(call => call.tier === tier && call.name !== 'clear').map(call => call.args[0] as string))]

const callStore = (store: Store, { tier, name, args }: TraceCall) =>
  outcomeOf(async () => (store[tier] as unknown as Record<string, Call>)[name]!(...args))

function callOracle(oracle: Oracle, { tier, name, args }: TraceCall, result: unknown) {
  // the store's ids and times are its own: the oracle takes them over
  const stamp = () => {
    const { id, ts } = (result ?? {}) as { id: string, ts: number }
    return { id, ts }
  }
  const all = name === 'append' ? [...args, stamp] : args
  return expectedOf(() => (oracle[tier] as unknown as Record<string, Call>)[name]!(...all))
}

/** The flows that were there before the recording began. */
async function prepare(store: Store, oracle: Oracle): Promise<void> {
  for (const { id, score, metadata } of trace.flows) {
    await store.index.add('nvent:flows', id, score, metadata)
    oracle.index.add('nvent:flows', id, score, metadata)
  }
}

/**
 * What is the same in every store. The client's own store keeps neither empty objects nor undefined members,
 * leaves marks of deleted ones, counts versions its way and has other ids and times: the contract decides those.
 */
function common(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(common)
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value)
    .filter(([name]) => !['id', 'ts', 'version', '__deleteMarkers'].includes(name))
    .map(([name, member]): [string, unknown] => [name, common(member)])
    .filter(([, member]) => member !== undefined && canonical(member) !== '{}')
  return Object.fromEntries(kept)
}

/** Entries with equal scores lie in the order of their adds, which overlapping adds leave open. */
const byScore = <T extends { id: string, score: number }>(entries: T[]): T[] =>
  [...entries].sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1))

/** Overlapping appends come in any order: what they say, not when. */
const told = (events: object[]): string[] => events.map(event => canonical({ ...event, id: '', ts: 0 })).sort()

it('gives from the oracle what the real client got, but for what the contract decides otherwise', () => {
  const oracle = createOracle()
  for (const { id, score, metadata } of trace.flows) oracle.index.add('nvent:flows', id, score, metadata)
  for (const call of trace.calls) {
    const recorded = trace.results.get(call.n)
    expectSame(call, common(callOracle(oracle, call, recorded)), common({ value: recorded }))
  }
})

describe('the traffic of the real client', () => {
  const backends = [pglite, postgres18].map(backend => [backend.name, backend] as const)

  it.each(backends)('gets what the oracle gives from %s, call by call, and leaves the same behind', async (_name, backend) => {
    const { store } = await backend.open()
    const oracle = createOracle()
    await prepare(store, oracle)
    for (const call of trace.calls) {
      const actual = await callStore(store, call)
      expectSame(call, actual, callOracle(oracle, call, 'value' in actual ? actual.value : undefined))
    }
    for (const key of touched('index')) {
      expectSame(key, await store.index.read(key, { limit: 10_000 }), oracle.index.read(key, { limit: 10_000 }))
    }
    for (const subject of touched('stream')) {
      expectSame(subject, await store.stream.read(subject), oracle.stream.read(subject))
    }
    for (const key of touched('kv')) expectSame(key, await store.kv.get(key), oracle.kv.get(key))
  }, TIMEOUT)

  it('loses nothing on PostgreSQL 18 when the calls overlap as they did', async () => {
    const { store } = await postgres18.open()
    const oracle = createOracle()
    await prepare(store, oracle)
    for (const call of trace.calls) callOracle(oracle, call, { id: String(call.n), ts: call.n })

    const underWay = new Map<number, Promise<unknown>>()
    const errors: unknown[] = []
    let most = 0
    for (const line of trace.lines) {
      if ('start' in line) {
        underWay.set(line.start.n, callStore(store, line.start).then((outcome) => {
          if ('error' in outcome) errors.push({ call: line.start, outcome })
        }))
        most = Math.max(most, underWay.size)
      }
      else {
        await underWay.get(line.end)
        underWay.delete(line.end)
      }
    }
    await Promise.all(underWay.values())

    expect(most).toBeGreaterThan(1)
    expect(errors).toEqual([])
    for (const key of touched('index')) {
      const entries = await store.index.read(key, { limit: 10_000 })
      expectSame(key, byScore(entries), byScore(oracle.index.read(key, { limit: 10_000 })))
    }
    for (const subject of touched('stream')) {
      expectSame(subject, told(await store.stream.read(subject)), told(oracle.stream.read(subject)))
    }
    for (const key of touched('kv')) expectSame(key, await store.kv.get(key), oracle.kv.get(key))
  }, TIMEOUT)
})
