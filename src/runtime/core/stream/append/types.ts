import type { EventMeta, EventInput } from '../../shared/event'
import type { Members } from '../../shared/types'

/** What a stream has to be like: anything, without events, with events, or at exactly this version (0: no events). */
export type ExpectedVersion = 'any' | 'no-stream' | 'exists' | number

interface CommonAppendOptions {
  /** Append only while the stream is like this. Default: `any`. */
  expectedVersion?: ExpectedVersion
  /** Kept with every event of the call, as `event.meta`; an event's own `meta` has precedence, member by member. */
  meta?: EventMeta
}

export interface AppendOptions extends CommonAppendOptions {
  /**
   * A name of the caller's for this event, at most 512 bytes: a second append of it to the same subject does nothing
   * and resolves with the record of the first one. It is remembered for as long as the event is kept.
   */
  eventId?: string
}

export const APPEND_OPTIONS: Members<AppendOptions> = { expectedVersion: true, meta: true, eventId: true }

export interface AppendManyOptions extends CommonAppendOptions {
  /** One for each event; see `eventId`. */
  eventIds?: string[]
  /** Called after each step of a large import, and once for a small one, before it is committed: when it throws, nothing is kept. */
  onProgress?: (progress: { appended: number, total: number }) => void
}

export const APPEND_MANY_OPTIONS: Members<AppendManyOptions> = {
  expectedVersion: true, meta: true, eventIds: true, onProgress: true,
}

export interface AppendEntry extends CommonAppendOptions {
  subject: string
  events: EventInput[]
  /** One for each event; see `eventId` of `append`. */
  eventIds?: string[]
}

export const APPEND_ENTRY: Members<AppendEntry> = {
  subject: true, events: true, expectedVersion: true, meta: true, eventIds: true,
}
