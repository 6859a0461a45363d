import { checkFunction } from '../shared/checks'
import { StoreError } from '../shared/errors'
import type { EventInput, EventRecord } from '../shared/event'
import type { StatementContext } from '../sql/template'
import { versionOf } from '../tables/eventCodec'
import type { TransactionApi } from '../transaction/types'
import type { AggregateGround } from './ground'
import { groundOfTransaction } from './ground'
import type { KnownAggregate, Pending } from './pending'
import { pendingAggregate } from './pending'
import { fold, replay } from './folding'
import type { AggregateSettings } from './aggregateSettings'
import type { AggregateSession } from './types'

export interface AggregateSessionParts {
  context: StatementContext
  ground: AggregateGround
  knownOf(aggregate: unknown): KnownAggregate
  transaction<T>(work: (tx: TransactionApi) => Promise<T>): Promise<T>
}

export function createAggregateSession(parts: AggregateSessionParts): AggregateSession {
  const pending = new Map<string, Pending | Promise<Pending>>()
  let isSaving = false

  const requireIdle = () => {
    if (isSaving) throw new StoreError('INVALID_CALL', 'the session is being saved: wait for save() before the next call')
  }

  async function loaded(aggregate: KnownAggregate, given: { id: string, subject: string }): Promise<Pending> {
    return pendingAggregate(aggregate, given, await replay(parts.ground, aggregate.settings, given.subject), requireIdle)
  }

  /** Appends what is pending, and determines the new states from what was stored. */
  async function append(tx: TransactionApi, changed: Pending[]): Promise<{ records: EventRecord[], states: unknown[] }> {
    const on = groundOfTransaction(parts.context, tx)
    const entries = changed.map(({ subject, settings: { topics }, version, events }) =>
      ({ subject, events, expectedVersion: version, ...topics && { topics } }))
    const records = entries.length > 0 ? await tx.stream.appendAll(entries) : []
    const states: unknown[] = []
    for (const [at, each] of changed.entries()) {
      const { settings, subject, base } = each
      const state = each.before ? await fold(settings, each.before(), records[at]!) : (await replay(on, settings, subject)).state
      await each.keep(on, subject, { version: versionOf(records[at]!.at(-1)!), state, base }, records[at]!)
      states.push(state)
    }
    return { records: records.flat(), states }
  }

  return {
    async load(aggregate, id) {
      requireIdle()
      const known = parts.knownOf(aggregate)
      const given = known.settings.subjectOf(id)
      const key = keyOf(known.settings, given.subject)
      let loading = pending.get(key)
      if (!loading) {
        loading = loaded(known, given)
        pending.set(key, loading)
        // A load that has failed can be tried again.
        loading.then(each => pending.set(key, each), () => pending.delete(key))
      }
      return (await loading).view as never
    },

    start(aggregate: unknown, id: string, ...events: unknown[]) {
      requireIdle()
      const known = parts.knownOf(aggregate)
      const given = known.settings.subjectOf(id)
      const key = keyOf(known.settings, given.subject)
      if (pending.has(key)) throw new StoreError('INVALID_CALL', `${given.subject} is part of this session already: append to what load() or start() returned`)
      const started = pendingAggregate(known, given, { version: 0, state: known.settings.initial(), base: undefined }, requireIdle)
      if (events.length > 0) started.view.append(...events as EventInput[])
      pending.set(key, started)
      return started.view as never
    },

    async save(work) {
      if (work !== undefined) checkFunction('work', work)
      requireIdle()
      isSaving = true
      try {
        const changed = (await Promise.all(pending.values())).filter(({ events }) => events.length > 0)
        if (changed.length === 0 && !work) return []
        const { records, states } = await parts.transaction(async (tx) => {
          const appended = await append(tx, changed)
          await work?.(tx)
          return appended
        })
        changed.forEach((each, at) => each.saved(states[at]))
        return records
      }
      finally {
        isSaving = false
      }
    },
  }
}

const keyOf = ({ name }: AggregateSettings, subject: string): string => `${name}\0${subject}`
