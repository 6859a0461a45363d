import { StoreError, messageOf } from '../shared/errors'
import type { BackgroundOutcome } from '../jobs/repeat'
import type { SweepOutcome } from '../jobs/sweep'
import type { Logger } from '../shared/types'
import type { PoolMetrics } from '../db/types'
import type { ConsumerWatch } from '../consumers/watching'
import type { RetentionReport } from '../jobs/retention/types'
import type { StoreEvents } from './types'
import { monitorConnection } from './connectionState'
import { createConsumerWatch } from './countConsumers'
import { createFailedAttempts } from './failedAttempts'
import { createEmitter } from './storeEvents'
import type { Emitter } from './storeEvents'
import { codeOf, countRun, createMetrics } from './metrics'
import type { Metrics } from './metrics'
import { createObserver } from './observe'
import type { Observer, Place, TableOf } from './observe'

interface WatchOptions {
  /** Sends a trivial query to the database. */
  ask(): Promise<unknown>
  pool(): PoolMetrics | null
  /** The table of a call's first argument, for each API. */
  tables: Record<string, TableOf>
}

/** Everything that observes a store: metrics, events, traces, the log of slow calls. */
export interface Watch {
  metrics: Metrics
  on: Emitter['on']
  call: Observer['call']
  /** Wraps the APIs: their calls are observed. */
  apis<T extends object>(tiers: T, place?: Place): T
  readonly consumers: ConsumerWatch
  connectionLost(error: StoreError): void
  swept(outcome: SweepOutcome): void
  retained(report: RetentionReport, outcome: BackgroundOutcome): void
  historyChanged(change: StoreEvents['history:changed']): void
  stop(): void
}

export function createWatch({ logger, slowCallMs }: { logger: Logger, slowCallMs: number }, options: WatchOptions): Watch {
  const metrics = createMetrics({ pool: options.pool, subscriptions: () => 0 })
  const { emit, on } = createEmitter(logger)
  const connection = monitorConnection({ emit, metrics, ask: options.ask })
  const observer = createObserver({ metrics, emit, logger, slowCallMs, onConnectionError: connection.lost })
  const failedAttempts = createFailedAttempts(logger, emit)
  const { sweep, retention } = metrics.counts

  function failed(operation: string, what: string, error: unknown): void {
    logger.warn(`${what}: ${messageOf(error)}`)
    emit('error', { operation, error })
    if (error instanceof StoreError && codeOf(error) === 'CONNECTION') connection.lost(error)
  }

  return {
    metrics,
    on,
    call: observer.call,
    apis: (tiers, place) => Object.fromEntries(Object.entries(tiers).map(([tier, api]) =>
      [tier, observer.api(tier, api as object, options.tables[tier]!, place)])) as typeof tiers,
    consumers: createConsumerWatch(metrics, failedAttempts),
    connectionLost: connection.lost,
    swept(outcome) {
      countRun(sweep, outcome)
      sweep.removed += outcome.removed
      if (outcome.error !== undefined) failed('sweep', 'expired keys could not be removed', outcome.error)
    },
    retained(report, outcome) {
      countRun(retention, outcome)
      for (const { action, events } of report.rules) retention[action === 'drop' ? 'dropped' : 'archived'] += events
      if (outcome.error === undefined) emit('retention', report)
      else failed('retention', 'retention has failed', outcome.error)
    },
    historyChanged: change => emit('history:changed', change),
    stop() {
      connection.stop()
      failedAttempts.end()
    },
  }
}
