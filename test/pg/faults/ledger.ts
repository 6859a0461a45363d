import type { Store } from '../../../src/runtime/core/index'

export interface Ledger { count: number, chain: number }

/** An event that is missing, doubled or out of order gives another chain. */
export const step = ({ count, chain }: Ledger, event: { data?: unknown }): Ledger =>
  ({ count: count + 1, chain: (chain * 31 + (event.data as { n: number }).n + 1) % 1_000_003 })

/** What a fresh fold of the log gives. */
export async function foldLog(store: Store): Promise<Record<string, Ledger>> {
  const states: Record<string, Ledger> = {}
  for await (const { subject, event } of store.stream.readAll({ subjects: ['s:*'] })) states[subject] = step(states[subject] ?? { count: 0, chain: 0 }, event)
  return states
}

export async function servedLedger(store: Store): Promise<Record<string, Ledger>> {
  const states: Record<string, Ledger> = {}
  for await (const { key, state } of store.projections.all<Ledger>('ledger')) states[key] = state
  return states
}

export const SUMS = 'create table sums (build bigint, subject text, events bigint not null, primary key (build, subject))'
export const NOTE_SUM = 'insert into sums as s values ($1, $2, 1) on conflict (build, subject) do update set events = s.events + 1'
