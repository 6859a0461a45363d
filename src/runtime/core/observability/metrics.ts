import { isStoreError } from '../shared/errors'
import type { ConsumerGauge } from '../consumers/watching'
import type { BackgroundMetrics, ConsumerMetrics, OperationMetrics, StoreMetrics } from './types'
import type { PoolMetrics } from '../db/types'

/** Upper bounds of the histogram, in milliseconds: from a response out of the cache to a call that has timed out. */
export const BUCKETS_MS = [0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000] as const

/** What is counted here; the other metrics are read when a snapshot is taken. */
type Counts = Omit<StoreMetrics, 'pool' | 'subscriptions' | 'consumers'> & { consumers: Record<string, Omit<ConsumerMetrics, keyof ConsumerGauge>> }

export interface Metrics {
  /** Read for each snapshot; parts of the store set their own. */
  gauges: Gauges
  counts: Counts
  /** The metrics of one operation, created on the first request. */
  operation(name: string): OperationMetrics
  /** The counts of one consumer, created likewise. */
  consumer(name: string): Counts['consumers'][string]
  snapshot(): StoreMetrics
}

interface Gauges {
  pool(): PoolMetrics | null
  subscriptions(): number
  /** Consumers that are at work. */
  consumers?(): Record<string, ConsumerGauge>
}

/** Counters of a store. Operation names are the only labels, so the size does not grow with subjects, keys or users. */
export function createMetrics(gauges: Gauges = { pool: () => null, subscriptions: () => 0 }): Metrics {
  const counts: Counts = {
    since: Date.now(),
    operations: {},
    bucketsMs: BUCKETS_MS,
    eventsWritten: 0,
    batching: { calls: 0, statements: 0 },
    sweep: { ...background(), removed: 0 },
    retention: { ...background(), dropped: 0, archived: 0 },
    consumers: Object.create(null) as Counts['consumers'],
    outbox: { topics: {} },
    connection: { lost: 0, restored: 0 },
    slowCalls: 0,
    conflicts: 0,
  }
  return {
    gauges,
    counts,
    operation: name => counts.operations[name] ??= calls(),
    consumer: name => counts.consumers[name] ??= { handled: 0, failed: 0, parked: 0, deadLetters: 0, fenced: 0, handler: calls() },
    snapshot: () => ({
      ...structuredClone(counts), pool: gauges.pool(), subscriptions: gauges.subscriptions(), consumers: withGauges(counts.consumers, gauges.consumers?.() ?? {}),
    }),
  }
}

const NOT_AT_WORK: ConsumerGauge = { shards: 0, lag: null }

const withGauges = (counts: Counts['consumers'], gauges: Record<string, ConsumerGauge>): StoreMetrics['consumers'] =>
  Object.fromEntries(Object.entries(structuredClone(counts)).map(([name, counted]) => [name, { ...counted, ...Object.hasOwn(gauges, name) ? gauges[name]! : NOT_AT_WORK }]))

export function countCall(operation: OperationMetrics, durationMs: number): void {
  operation.calls++
  operation.totalMs += durationMs
  if (durationMs > operation.maxMs) operation.maxMs = durationMs
  for (let at = BUCKETS_MS.length - 1; at >= 0 && durationMs <= BUCKETS_MS[at]!; at--) operation.buckets[at]!++
}

export function countError(operation: OperationMetrics, error: unknown): void {
  const code = codeOf(error)
  operation.errors[code] = (operation.errors[code] ?? 0) + 1
}

/** The code of a StoreError; `OTHER` for any other error, whose name and message could contain user data. */
export const codeOf = (error: unknown): string => isStoreError(error) ? error.code : 'OTHER'

export function countRun(metrics: BackgroundMetrics, outcome: { busy?: boolean, error?: unknown }): void {
  metrics.runs++
  metrics.lastRunAt = Date.now()
  metrics.lastError = outcome.error === undefined ? null : codeOf(outcome.error)
  if (outcome.busy) metrics.busy++
  if (outcome.error !== undefined) metrics.failures++
}

function calls(): OperationMetrics {
  return { calls: 0, errors: {}, active: 0, totalMs: 0, maxMs: 0, buckets: BUCKETS_MS.map(() => 0) }
}

function background(): BackgroundMetrics {
  return { runs: 0, failures: 0, busy: 0, lastRunAt: null, lastError: null }
}
