import type { Members } from '../shared/members'
import type { EventInput, EventRecord, StreamReadOptions } from './stream'
import { STREAM_READ_OPTIONS } from './stream'

/** What a stream has to be like: anything, without events, with events, or at exactly this version (0: no events). */
export type ExpectedVersion = 'any' | 'no-stream' | 'exists' | number

/** Who and what caused an event; any other member comes back as well. */
export interface EventMeta {
  /** The same for everything that one request or message led to. */
  correlationId?: string
  /** Id of the event, command or message that led to this one. */
  causationId?: string
  /** Who did it: a text, or an object of your own. */
  actor?: unknown
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  [member: string]: any
}

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

export interface IterateOptions extends StreamReadOptions {
  /** Events in one statement, and at most in memory. Default: 1,000. */
  pageSize?: number
}

export const ITERATE_OPTIONS: Members<IterateOptions> = { ...STREAM_READ_OPTIONS, pageSize: true }

/** Where a stream ends. */
export interface StreamHead {
  /** Of the last event that was appended: what `expectedVersion` takes. */
  version: number
  /** Id of the last event in the log; null when none is there any more (archived, truncated, removed by retention). */
  position: string | null
  /** Milliseconds since 1970. */
  lastTs: number
  /** Milliseconds since 1970; only there when the stream is archived. */
  archivedAt?: number
}

export interface StreamListOptions {
  /** `*` any run of characters, `?` exactly one, everything else literal. Default: all. */
  glob?: string
  /** Where the page before ended. */
  cursor?: string | null
  /** Default: 50. */
  limit?: number
}

export const STREAM_LIST_OPTIONS: Members<StreamListOptions> = { glob: true, cursor: true, limit: true }

export interface StreamList {
  streams: (Omit<StreamHead, 'position'> & { subject: string })[]
  /** Gives the next page; null after the last one. */
  cursor: string | null
}

export interface Reason {
  reason: string
  /** Who. */
  by: string
}

export const REASON: Members<Reason> = { reason: true, by: true }

export interface DismissedEvent extends Reason {
  event: EventRecord
  /** Milliseconds since 1970. */
  at: number
}
