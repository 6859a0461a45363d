import type { Members } from '../shared/members'
import type { EventRecord } from './stream'

/** An event among those of other subjects. */
export interface GlobalEvent {
  subject: string
  /** As `read` gives it; `event.id` is the position to go on from. */
  event: EventRecord
}

export interface ReadAllOptions {
  /** Exclusive event id: only events after this position. Default: from the first event on. */
  after?: string
  /** Subjects, or globs of them (`*` any run, `?` one character). Default: all. */
  subjects?: string[]
  types?: string[]
  /** Only events whose `meta.correlationId` is this one. */
  correlationId?: string
  /** Inclusive time in milliseconds. */
  since?: number
  /** At most this many events. Default: all. */
  limit?: number
  /**
   * How long to wait for transactions that append while this runs, in milliseconds.
   * @default 30000
   */
  settleTimeout?: number
}

export const READ_ALL_OPTIONS: Members<ReadAllOptions> = {
  after: true, subjects: true, types: true, correlationId: true, since: true, limit: true, settleTimeout: true,
}

/** How far the global order is settled, as ids. */
export interface Mark {
  /** The newest id given out. */
  head: bigint
  /** No event up to this id can come any more. */
  settled: bigint
  /** Changes whenever the server may be another one, or have been set back. */
  history: string
}
