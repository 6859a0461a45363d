import { StoreError, isStoreError, messageOf } from '../shared/errors'
import type { BackgroundMetrics, StoreMetrics } from '../observability/types'
import type { ConsumerCondition } from '../consumers/condition'
import { consumersCheck } from './consumersHealth'
import type { ConsumerLimits } from './consumersHealth'
import type { HealthCheck, HealthStatus, StoreHealth } from './types'
import { isRefused } from '../schema/rights'
import type { SequenceBehind } from '../schema/sequences'
import { codeOf } from '../observability/metrics'

const DEFAULT_TIMEOUT_MS = 5_000
const BY_SEVERITY: HealthStatus[] = ['ok', 'degraded', 'down']

const LACKS_RIGHTS = 'the role lacks rights: run what `nvent-store doctor` says'

interface HealthInput {
  /** Reads the schema version, and the sequences that are behind their rows, from the database. */
  version(): Promise<{ version: number, behind: SequenceBehind[] }>
  /** The version this build works with. */
  expected: number
  metrics(): StoreMetrics
  timeoutMs?: number | undefined
  conditions(): Promise<ConsumerCondition[]>
  limits: ConsumerLimits
}

/** Checks what calls need, the background jobs and the consumers. Reasons contain error codes; messages could name hosts and users. */
export async function checkHealth(input: HealthInput): Promise<StoreHealth> {
  const since = performance.now()
  const look = async () => {
    const found = await input.version()
    const durationMs = Math.round((performance.now() - since) * 10) / 10
    if (found.version < input.expected) return { ...found, durationMs }
    const consumers = await input.conditions().then(found => consumersCheck(found, input.limits), (error: unknown): Record<string, HealthCheck> => ({ consumers: { status: 'degraded', reason: reasonOf(error) } }))
    return { ...found, durationMs, consumers }
  }
  const found = await within(input.timeoutMs ?? DEFAULT_TIMEOUT_MS, look()).catch((error: unknown) => ({ error }))
  const { pool, sweep, retention } = input.metrics()
  const checks: Record<string, HealthCheck> = {
    ...'error' in found
      ? { database: { status: 'down', reason: reasonOf(found.error) } }
      : { database: { status: 'ok', durationMs: found.durationMs }, schema: schemaCheck(found.version, input.expected), ...sequenceCheck(found.behind) },
    ...pool && { pool: { ...pool, ...pool.waiting > 0 && pool.idle === 0 ? { status: 'degraded', reason: 'calls wait for a connection' } : { status: 'ok' } } },
    sweep: backgroundCheck(sweep),
    retention: backgroundCheck(retention),
    ...'consumers' in found ? found.consumers : {},
  }
  return {
    status: worst(checks),
    timestamp: Date.now(),
    checks,
    ...'error' in found && { error: { code: codeOf(found.error), message: messageOf(found.error) } },
  }
}

const reasonOf = (error: unknown): string => isRefused(error) ? LACKS_RIGHTS : codeOf(error)

/** The health of a store that could not be created. */
export function healthOfNothing(error: unknown): StoreHealth {
  const code = codeOf(error)
  return {
    status: 'down', timestamp: Date.now(), checks: { options: { status: 'down', reason: code } }, error: { code, message: messageOf(error) },
  }
}

function schemaCheck(version: number, expected: number): HealthCheck {
  if (version < expected) return { status: 'down', reason: 'the schema is behind this build: migrate', version, expected }
  if (version > expected) return { status: 'degraded', reason: 'the schema is newer than this build', version, expected }
  return { status: 'ok', version, expected }
}

const sequenceCheck = ([behind]: SequenceBehind[]): Record<string, HealthCheck> => behind
  ? { sequences: { status: 'down', reason: 'a sequence is behind its rows and assigns ids that are in use: run what `nvent-store doctor` says', sequence: behind.sequence } }
  : {}

function backgroundCheck({ runs, lastRunAt, lastError }: BackgroundMetrics): HealthCheck {
  return { runs, lastRunAt, ...lastError === null ? { status: 'ok' } : { status: 'degraded', reason: `the last run failed with ${lastError}` } }
}

const worst = (checks: Record<string, HealthCheck>): HealthStatus =>
  BY_SEVERITY[Math.max(...Object.values(checks).map(({ status }) => BY_SEVERITY.indexOf(status)))]!

async function within<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new StoreError('TIMEOUT', `the database has not answered within ${timeoutMs} ms`, { retryable: true })), timeoutMs)
  })
  try {
    return await Promise.race([work, late])
  }
  finally {
    clearTimeout(timer)
  }
}

/** Whether the schema, and not the connection, keeps a store from starting. */
export const isSchemaError = (error: unknown): boolean =>
  isStoreError(error) && ['SCHEMA_BEHIND', 'SCHEMA_TOO_NEW', 'MIGRATION_FAILED'].includes(error.code)
