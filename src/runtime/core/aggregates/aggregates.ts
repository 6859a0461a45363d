import type { TierScope } from '../batch/tierScope'
import { checkObject } from '../shared/checks'
import { invalidValue } from '../shared/errors'
import type { Logger } from '../shared/types'
import type { TransactionApi } from '../transaction/types'
import { createAggregateCalls } from './aggregate'
import { createAggregateSession } from './aggregateSession'
import type { CompactParts } from './compact'
import { createCompact } from './compact'
import type { AggregateGround } from './ground'
import { groundOfStore, groundOfTransaction } from './ground'
import { aggregateSettings } from './aggregateSettings'
import type { KnownAggregate } from './pending'
import type { AggregatesApi } from './types'

interface AggregatesParts extends CompactParts {
  scope: TierScope
  stream: AggregateGround['stream']
  transaction<T>(work: (tx: TransactionApi) => Promise<T>): Promise<T>
  logger: Logger
}

/** Aggregates: streams whose events give a state, which decides what happens next. */
export function createAggregates(parts: AggregatesParts): AggregatesApi {
  const { context, logger } = parts
  const ground = groundOfStore(parts.scope, parts.stream)
  const known = new WeakMap<object, KnownAggregate>()

  function knownOf(aggregate: unknown): KnownAggregate {
    const found = typeof aggregate === 'object' && aggregate !== null ? known.get(aggregate) : undefined
    if (!found) throw invalidValue('aggregate', 'must be one that aggregate() of this store has returned')
    return found
  }

  return {
    aggregate(options) {
      const settings = aggregateSettings(options as never)
      const calls = createAggregateCalls(settings, logger)
      const aggregate = {
        name: settings.name,
        ...calls.on(ground),
        with: (tx: TransactionApi) => calls.on(groundOfTransaction(context, checkTransaction(tx))),
        compact: createCompact(parts, settings),
      }
      known.set(aggregate, { settings, keep: calls.keep })
      return aggregate as never
    },

    session: () => createAggregateSession({ context, ground, transaction: parts.transaction, knownOf }),
  }
}

function checkTransaction(tx: unknown): TransactionApi {
  const { stream, query } = checkObject('tx', tx) as Partial<TransactionApi>
  if (typeof query !== 'function' || typeof stream?.append !== 'function') throw invalidValue('tx', 'must be what store.transaction() or store.with() gives')
  return tx as TransactionApi
}
