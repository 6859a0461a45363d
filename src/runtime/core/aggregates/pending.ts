import { checkData } from '../shared/checks'
import { StoreError } from '../shared/errors'
import type { EventInput, EventRecord } from '../shared/event'
import { toJson } from '../shared/json'
import type { EventSchemas } from '../typed/types'
import type { AggregateGround } from './ground'
import type { Replayed } from './folding'
import type { AggregateSettings } from './aggregateSettings'
import type { Base } from './snapshots'
import type { SessionAggregate } from './types'

/** What a session has to know of an aggregate. */
export interface KnownAggregate {
  settings: AggregateSettings
  /** Writes a snapshot where one is due. */
  keep(on: AggregateGround, subject: string, replayed: Replayed, records: readonly EventRecord[]): Promise<void>
}

/** One aggregate of a session with the events that are to be saved. */
export interface Pending extends KnownAggregate {
  subject: string
  base: Base | undefined
  /** Version without the pending events. */
  readonly version: number
  readonly events: EventInput[]
  /** The state without the pending events, made again each time; undefined: it can't be copied. */
  readonly before: (() => unknown) | undefined
  view: SessionAggregate<unknown, EventSchemas>
  saved(state: unknown): void
}

export function pendingAggregate(
  { settings, keep }: KnownAggregate, { id, subject }: { id: string, subject: string }, { version: loaded, state: initial, base }: Replayed, requireIdle: () => void,
): Pending {
  let version = loaded
  let state = initial
  let events: EventInput[] = []
  // `evolve` may change the state that it is given.
  let before = copier(settings, initial, loaded)

  return {
    settings, keep, subject, base,
    get version() {
      return version
    },
    get events() {
      return events
    },
    get before() {
      return before
    },
    view: {
      id, subject,
      get version() {
        return version
      },
      get state() {
        return state
      },
      append(...given) {
        requireIdle()
        const added = encodeNow(settings, given)
        if (events.length === 0) before = copier(settings, state, version)
        state = decodeNow(settings, added).reduce(settings.evolve, state)
        events = [...events, ...added]
        return state
      },
    },
    saved(saved) {
      version += events.length
      state = saved
      events = []
    },
  }
}

function copier(settings: AggregateSettings, state: unknown, version: number): (() => unknown) | undefined {
  if (version === 0) return settings.initial
  try {
    const kept = structuredClone(state)
    return () => structuredClone(kept)
  }
  catch {
    // A state with functions or instances in it: it is made from the events again.
    return undefined
  }
}

/** The events as they will be read. */
function encodeNow(settings: AggregateSettings, given: readonly unknown[]): EventInput[] {
  const events = given.map((event, at) => toJson(checkData(`events.${at}`, event), `events.${at}`) as EventInput)
  return now(settings, settings.encode(events, 'events'))
}

const decodeNow = (settings: AggregateSettings, events: EventInput[]): EventRecord[] => now(settings, settings.decode(events as EventRecord[]))

function now<T>({ name }: AggregateSettings, value: T | Promise<T>): T {
  if (!(value instanceof Promise)) return value
  // The call fails in any case, so how the check ends is not looked at.
  void Promise.allSettled([value])
  throw new StoreError('INVALID_CALL', `a schema of aggregate ${JSON.stringify(name)} checks asynchronously, which append() of a session can't wait for: use handle(), or a schema that answers at once`)
}
