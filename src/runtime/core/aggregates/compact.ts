import type { Session } from '../db/types'
import { StoreError } from '../shared/errors'
import type { Statement } from '../sql/statement'
import type { StatementContext } from '../sql/template'
import { compactEvents } from '../stream/lifecycle/archive'
import type { Route } from '../tables/route'
import type { StreamSpec } from '../tables/types'
import type { TransactionApi } from '../transaction/types'
import { groundOfTransaction } from './ground'
import { replay } from './folding'
import type { AggregateSettings } from './aggregateSettings'
import { snapshotInput } from './snapshots'

export interface CompactParts {
  context: StatementContext
  within<T>(operation: string, work: (tx: TransactionApi, session: Session) => Promise<T>): Promise<T>
  streamRoute(subject: string): Route<StreamSpec>
  /** The position up to which all consumers have handled a subject, as `position`. */
  handledUpTo(context: StatementContext, subject: string): Statement
}

/**
 * Moves the events that a snapshot stands for into the archive. None is lost to `load`: where the snapshot can't be used,
 * it reads the archive.
 */
export function createCompact({ context, within, streamRoute, handledUpTo }: CompactParts, settings: AggregateSettings) {
  return async (given: string): Promise<number> => {
    const { subject } = settings.subjectOf(given)
    if (!settings.snapshot) throw new StoreError('INVALID_CALL', `aggregate ${JSON.stringify(settings.name)} has no snapshots: give it the option \`snapshot\` to compact its streams`)
    return within('aggregate.compact', async (tx, session) => {
      const on = groundOfTransaction(context, tx)
      const { version, state, base } = await replay(on, settings, subject)
      if (!base || base.isArchived) return 0
      await on.write(snapshotInput(settings, subject, { version, state }, base))
      const { rows: [handled] } = await session.query(handledUpTo(context, subject))
      return (await session.query(compactEvents(context, streamRoute(subject), version, String(handled!.position)))).count
    })
  }
}
