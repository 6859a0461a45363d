import { versionOf } from '../tables/eventCodec'
import type { EventRecord } from '../shared/event'
import type { AggregateGround } from './ground'
import type { AggregateSettings } from './aggregateSettings'
import type { Base, Known } from './snapshots'
import { snapshotState } from './snapshots'

/** Up to so many events are read at once, together with those of other calls. */
const SHORT = 200

/** A state with what it was made from. */
export interface Replayed extends Known {
  /** Undefined: there was no stream. */
  base: Base | undefined
}

/** Makes the state of a stream: from its snapshot, or from one that is known already, and the events since. */
export async function replay(on: AggregateGround, settings: AggregateSettings, subject: string, known?: Replayed): Promise<Replayed> {
  const base = await on.base({ subject, name: settings.name })
  if (!base) return { version: 0, state: settings.initial(), base }
  const from = isSame(base, known?.base) ? known! : snapshotState(base.snapshot, settings.snapshot) ?? { version: 0, state: settings.initial() }
  let { state } = from
  let version = Math.max(from.version, base.version)
  for await (const events of pagesSince(on, subject, from.version, base)) {
    state = await fold(settings, state, events)
    version = Math.max(version, versionOf(events.at(-1)!))
  }
  return { version, state, base }
}

/** The state after events as they are stored. */
export async function fold(settings: AggregateSettings, state: unknown, events: readonly EventRecord[]): Promise<unknown> {
  const decoded = settings.decode(events)
  return (decoded instanceof Promise ? await decoded : decoded).reduce(settings.evolve, state)
}

/** Whether it is the same stream with the same events, apart from new ones. */
const isSame = (base: Base, known: Base | undefined): boolean => known !== undefined && known.firstId === base.firstId && known.edits === base.edits

async function* pagesSince({ stream }: AggregateGround, subject: string, after: number, { version, moved }: Base): AsyncGenerator<EventRecord[]> {
  if (version <= after) return
  const range = { fromVersion: after + 1, ...moved > after && { archived: true } }
  if (version - after <= SHORT) {
    const events = await stream.read(subject, { ...range, limit: SHORT })
    if (events.length > 0) yield events
    return
  }
  let page: EventRecord[] = []
  for await (const event of stream.iterate(subject, range)) {
    if (page.push(event) < SHORT) continue
    yield page
    page = []
  }
  if (page.length > 0) yield page
}
