import type { Use } from '../batch/operation'
import type { Session } from '../db/types'
import { StoreError, isStoreError } from '../shared/errors'
import type { TransactionApi } from '../transaction/types'
import type { StatementContext } from '../sql/template'
import { HandlerFailure, attempt, isOfDatabase } from './attempt'
import { readResults } from './results'
import type { ConsumeResult } from './results'
import type { ConsumerSettings } from './settings'
import type { Entry, Shard } from './shard'
import type { ConsumedEvent } from './types'

export interface CallsOptions {
  context: StatementContext
  /** Runs the store's own statements. */
  use: Use
  /** A transaction in which code of the caller's runs. */
  within<T>(operation: string, work: (tx: TransactionApi, session: Session) => Promise<T>): Promise<T>
  settings: ConsumerSettings
  /** Aborts when the consumer waits no longer for what is under way. */
  killed: AbortSignal
}

/** What is kept in the transaction of a handler, given what it returned. */
export type Keep = (session: Session, results: ConsumeResult[]) => Promise<void>

/** Calls the handler, with whatever is kept together with its effects. */
export type RunHandler = (entries: Pick<Entry, 'event' | 'subject'>[], shards: Iterable<Shard>, attempts: number, keep: Keep) => Promise<void>

export function createCalls({ use, within, settings, killed }: CallsOptions): RunHandler {
  const { name: consumer } = settings

  function call(events: Entry['event'][], subjects: string[], tx: TransactionApi, attempts: number, lost: AbortSignal[]): Promise<ConsumeResult[]> {
    return attempt(async (signal) => {
      const given = { consumer, tx, signal, attempt: attempts }
      const consumed = events.map((event, at): ConsumedEvent => ({ ...event, subject: subjects[at]! }))
      if (settings.batchHandler) return readResults(await settings.batchHandler(consumed, given), events.length)
      for (const event of consumed) await settings.handler!(event, given)
      return []
    }, { timeoutMs: settings.attemptTimeout, signals: [killed, ...lost] })
  }

  return async function run(entries, shards, attempts, keep) {
    const events = entries.map(({ event }) => event)
    const subjects = entries.map(({ subject }) => subject)
    const lost = [...shards].map(shard => shard.lost.signal)
    if (settings.transaction === 'none') {
      const results = await call(events, subjects, noTransaction, attempts, lost)
      return use(session => session.atomic(inside => keep(inside, results)))
    }
    try {
      await within('consume', async (tx, session) => {
        // A process that is frozen must not hold its locks for longer than its lease.
        await session.query({ text: 'select pg_catalog.set_config(\'idle_in_transaction_session_timeout\', $1::text, true)', values: [String(settings.leaseMs)] })
        await keep(session, await call(events, subjects, tx, attempts, lost))
      })
    }
    catch (error) {
      // What the database refuses of the handler's writes may show as late as at the commit.
      throw isStoreError(error) && !isOfDatabase(error) ? new HandlerFailure(error) : error
    }
  }
}

const noTransaction = new Proxy({}, {
  get() {
    throw new StoreError('INVALID_CALL', 'a consumer with transaction: \'none\' has no transaction: use the store itself')
  },
}) as TransactionApi
