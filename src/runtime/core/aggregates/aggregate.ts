import { setTimeout as sleep } from 'node:timers/promises'
import { createBackoff } from '../shared/backoff'
import { checkCount, checkOptions } from '../shared/checks'
import { isStoreError } from '../shared/errors'
import type { EventInput, EventMeta, EventRecord } from '../shared/event'
import type { Logger } from '../shared/types'
import { versionOf } from '../tables/eventCodec'
import type { EventSchemas } from '../typed/types'
import type { AggregateGround } from './ground'
import type { Replayed } from './folding'
import { replay } from './folding'
import type { AggregateSettings } from './aggregateSettings'
import { decided, deciderOf } from './aggregateSettings'
import { baseSince, createSnapshotWriter, snapshotInput } from './snapshots'
import type { AggregateCalls, HandleOptions } from './types'
import { HANDLE_OPTIONS } from './types'

const RETRIES = 3
const FIRST_PAUSE_MS = 5
const MAX_PAUSE_MS = 200

export type Calls = AggregateCalls<unknown, EventSchemas, unknown>

/** The calls of an aggregate, which are the same on the store and inside a transaction. */
export function createAggregateCalls(settings: AggregateSettings, logger: Logger) {
  const snapshots = createSnapshotWriter(settings, logger)

  /** Writes a snapshot where one is due. The events are there already: outside of a transaction the call succeeds in any case. */
  async function keep(on: AggregateGround, subject: string, { version, state, base: known }: Replayed, records: readonly EventRecord[]): Promise<void> {
    if (!snapshots.isDue(version, known)) return
    try {
      const base = known ?? baseSince(records, await on.base({ subject, name: settings.name }))
      if (base) await on.write(snapshotInput(settings, subject, { version, state }, base))
    }
    catch (error) {
      if (on.inTransaction && !(isStoreError(error) && error.code === 'INVALID_VALUE')) throw error
      snapshots.warn(error)
    }
  }

  async function appendTo({ stream }: AggregateGround, subject: string, events: EventInput[], expectedVersion: number, meta?: EventMeta): Promise<EventRecord[]> {
    const options = { expectedVersion, ...meta !== undefined && { meta }, ...settings.topics && { topics: settings.topics } }
    // A single event shares its statement with those of other calls.
    return events.length === 1 ? [await stream.append(subject, events[0]!, options)] : stream.appendMany(subject, events, options)
  }

  return {
    keep,
    on: (on: AggregateGround): Calls => ({
      async load(given) {
        const { id, subject } = settings.subjectOf(given)
        const { version, state } = await replay(on, settings, subject)
        return { id, subject, version, state }
      },

      async handle(given, decision, options) {
        const { id, subject } = settings.subjectOf(given)
        const { retries = RETRIES, meta } = checkOptions<HandleOptions>('options', options, HANDLE_OPTIONS)
        checkCount('options.retries', retries)
        const decide = deciderOf(settings, decision)
        const backoff = createBackoff({ first: FIRST_PAUSE_MS, max: MAX_PAUSE_MS, jitter: [0.5, 1.5] })
        for (let known: Replayed | undefined; ;) {
          known = await replay(on, settings, subject, known)
          const events = await settings.encode(decided(await decide(known.state)), 'events')
          if (events.length === 0) return { id, subject, version: known.version, state: known.state, events: [] }
          let records: EventRecord[]
          try {
            records = await appendTo(on, subject, events, known.version, meta)
          }
          catch (error) {
            if (!isConflict(error, subject) || backoff.pauses >= retries) throw error
            await sleep(backoff.next())
            continue
          }
          const version = versionOf(records.at(-1)!)
          const appended = await settings.decode(records)
          const state = appended.reduce(settings.evolve, known.state)
          await keep(on, subject, { version, state, base: known.base }, records)
          return { id, subject, version, state, events: appended }
        }
      },
    }),
  }
}

const isConflict = (error: unknown, subject: string): boolean =>
  isStoreError(error) && error.code === 'VERSION_CONFLICT' && error.details.subject === subject
