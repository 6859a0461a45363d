/** Accounts, and the projection of their totals. */
import { onTestFinished } from 'vitest'
import type { ConsumedEvent, Projection } from '../../src/runtime/core/index'
import type { Store } from '../../src/runtime/core/types'
import { collect } from '../contract/suite/context'

export const quick = { pollInterval: 20, leaseMs: 20_000, backoff: { first: 20, max: 100 } }
export const range = (count: number) => Array.from({ length: count }, (_, at) => at)
export const SUBJECTS = range(10).map(at => `accounts:${at}`)

export interface Total { sum: number, count: number }

export const amountOf = (event: ConsumedEvent) => (event.data as { amount: number }).amount
export const add = (state: Total, event: ConsumedEvent): Total => ({ sum: state.sum + amountOf(event), count: state.count + 1 })
export const totals = { ...quick, name: 'totals', subjects: ['accounts:*'], init: { sum: 0, count: 0 }, handle: add }

export async function started(projection: Projection): Promise<Projection> {
  await projection.start()
  onTestFinished(() => projection.stop())
  return projection
}

export async function fill(store: Store, each = 5): Promise<void> {
  for (const n of range(each)) await Promise.all(SUBJECTS.map((subject, at) => store.stream.append(subject, { type: 'paid', data: { amount: n + at } })))
}

/** What a fresh fold of the log gives. */
export async function folded(store: Store): Promise<Record<string, Total>> {
  const states: Record<string, Total> = {}
  for await (const { subject, event } of store.stream.readAll({ subjects: ['accounts:*'] })) states[subject] = add(states[subject] ?? { sum: 0, count: 0 }, { ...event, subject })
  return states
}

export async function served(store: Store, name = 'totals'): Promise<Record<string, unknown>> {
  return Object.fromEntries((await collect(store.projections.all(name))).map(({ key, state }) => [key, state]))
}
