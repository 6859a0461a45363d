import type { EventMeta, EventInput } from '../../shared/event'
import type { Members } from '../../shared/types'

/** The required state of a stream: any, without events, with events, or at exactly this version (0: no events). */
export type ExpectedVersion = 'any' | 'no-stream' | 'exists' | number

interface CommonAppendOptions {
  /** The append is refused with VERSION_CONFLICT unless the stream is in this state. Default: `any`. */
  expectedVersion?: ExpectedVersion
  /** Stored with every event of the call as `event.meta`. Members of an event's own `meta` have precedence. */
  meta?: EventMeta
  /**
   * What the events are about, as `event.meta.topics`: consumers can ask for topics, and the outbox publishes what has
   * any. At most 100 names of at most 200 bytes.
   */
  topics?: string[]
}

export interface AppendOptions extends CommonAppendOptions {
  /**
   * The caller's id for this event, at most 512 bytes. A second append with the same id to the same subject stores
   * nothing and resolves with the record of the first one. The id is remembered for as long as the event is kept.
   */
  eventId?: string
}

export const APPEND_OPTIONS: Members<AppendOptions> = { expectedVersion: true, meta: true, topics: true, eventId: true }

export interface AppendManyOptions extends CommonAppendOptions {
  /** One for each event; see `eventId`. */
  eventIds?: string[]
  /**
   * Called after each step of a large import, and once for a small one, before the commit. When it throws, nothing of the
   * import is kept.
   */
  onProgress?: (progress: { appended: number, total: number }) => void
}

export const APPEND_MANY_OPTIONS: Members<AppendManyOptions> = {
  expectedVersion: true, meta: true, topics: true, eventIds: true, onProgress: true,
}

export interface AppendEntry extends CommonAppendOptions {
  subject: string
  events: EventInput[]
  /** One for each event; see `eventId` of `append`. */
  eventIds?: string[]
}

export const APPEND_ENTRY: Members<AppendEntry> = {
  subject: true, events: true, expectedVersion: true, meta: true, topics: true, eventIds: true,
}
