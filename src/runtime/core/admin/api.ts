import { checkCount, checkFunction, checkMilliseconds, checkOptions, checkText, checkWord } from '../shared/checks'
import { migrationDatabase, onDatabase } from '../db/open'
import type { Connector } from '../db/connect'
import type { Db } from '../db/types'
import type { SchemaOptions } from '../schema/start'
import { dropTable, listTables } from '../partitions/subjectTables'
import { drift } from '../schema/drift'
import { plan } from '../schema/migrationPlan'
import { currentVersion, migrate, rollback } from '../schema/migrate'
import { explainRefused } from '../schema/rights'
import { sequencesBehind } from '../schema/sequences'
import { migrations } from '../schema/migrations.gen'
import type { Names } from '../shared/identifier'
import { HEALTH_OPTIONS } from './types'
import type { ConsumersAdmin } from '../consumers/adminTypes'
import type { ConsumerCondition } from '../consumers/condition'
import type { RetentionAdmin } from '../jobs/retention/types'
import type { StoreAdmin } from './types'
import type { StoreEvents } from '../observability/types'
import { checkHealth, isSchemaError } from './health'
import type { Metrics } from '../observability/metrics'

interface AdminOptions {
  connector: Connector<unknown>
  /** Opens the database when the store can't start on it. */
  database: SchemaOptions
  names: Names
  metrics: Metrics
  retention: RetentionAdmin
  consumers: ConsumersAdmin
  conditions(): Promise<ConsumerCondition[]>
  /** Refuses a call inside `transaction`, where it would wait for itself. */
  requireOutside(call: string): void
  on: StoreAdmin['on']
}

// The known event names, to refuse a listener for a mistyped one, which would never be called.
const EVENTS: Record<keyof StoreEvents, true> = {
  'connection:lost': true, 'connection:restored': true, 'history:changed': true, 'conflict': true, 'slow': true, 'error': true, 'deadLetter': true, 'retention': true,
}

/** `store.admin`. Its calls on the schema also work while a schema error keeps the store from starting. */
export function createAdmin({ connector, database, names, metrics, retention, consumers, conditions, requireOutside, on }: AdminOptions): StoreAdmin {
  const use = <R>(work: (db: Db) => Promise<R>) => connector.call(async () => {
    const explained = (db: Db) => work(db).catch(error => explainRefused(db, names, error))
    const started = await connector.start().catch((error: unknown) => {
      if (!isSchemaError(error)) throw error
      return undefined
    })
    return started ? explained(started.db) : onDatabase(database, explained)
  })

  const schemaOn = async (db: Db) => {
    const version = await currentVersion(db, names)
    return { version, behind: version < migrations.length ? [] : await sequencesBehind(db, names) }
  }

  return {
    async migrate() {
      requireOutside('migrate()')
      const bring = (db: Db) => migrate(db, names, undefined, { subjectPrefix: database.subjectPrefix })
      const elsewhere = migrationDatabase(database)
      const state = await (elsewhere ? connector.call(() => onDatabase(elsewhere, bring)) : use(bring))
      await connector.resetFailure()
      return { version: state.version, applied: state.applied }
    },
    version: () => use(db => currentVersion(db, names)),
    plan: () => use(db => plan(db, names)),
    drift: () => use(db => drift(db, names)),
    async rollbackTo(version) {
      checkCount('version', version)
      requireOutside('rollbackTo()')
      await use(db => rollback(db, names, version))
    },
    streamTables: () => use(db => listTables(db, names)),
    async dropStreamTable(subjectPrefix) {
      checkText('subjectPrefix', subjectPrefix)
      requireOutside('dropStreamTable()')
      return use(db => dropTable(db, names, subjectPrefix))
    },
    retention,
    consumers,
    async health(options) {
      const { timeoutMs, ...limits } = checkOptions('options', options, HEALTH_OPTIONS)
      for (const [name, limit] of Object.entries({ timeoutMs, ...limits })) if (limit !== undefined) checkMilliseconds(`options.${name}`, limit)
      return checkHealth({
        // On a connection of the pool, not on one of its own: health is whether calls work.
        version: () => connector.call(() => connector.use(({ db }) => schemaOn(db).catch(error => explainRefused(db, names, error)))),
        expected: migrations.length,
        conditions,
        limits,
        metrics: metrics.snapshot,
        timeoutMs,
      })
    },
    metrics: metrics.snapshot,
    on(event, listener) {
      checkWord('event', event, Object.keys(EVENTS))
      checkFunction('listener', listener)
      return on(event, listener)
    },
  }
}
