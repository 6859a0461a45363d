/** Who and what caused an event. Any other member is stored and returned as well. */
export interface EventMeta {
  /** Shared by everything that results from one request or message. */
  correlationId?: string
  /** Id of the event, command or message that caused this event. */
  causationId?: string
  /** The user or system that caused the event: a string or any JSON value. */
  actor?: unknown
  /** What the event is about, for consumers and the outbox: `topics` of `append`. */
  topics?: string[]
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  [member: string]: any
}

/** An event to append. The store assigns `id` and `ts`; values given by the caller are ignored. */
export interface EventInput {
  type: string
  runId?: string
  flowName?: string
  stepName?: string
  stepId?: string
  attempt?: number
  data?: unknown
  /** Any other field is returned as it was given. */
  [field: string]: unknown
}

/** An event as it was stored. */
export interface EventRecord extends EventInput {
  /** Decimal string. Ids of all streams come from one sequence: the id is also the global position. */
  id: string
  /** Milliseconds since 1970 on the database's clock. Never runs backwards within a subject. */
  ts: number
  // Required, as in nvent's interface. An event that was appended without them has none: the store adds no values.
  runId: string
  flowName: string
  // `any`, as in nvent's own type: its code reads members of `data` without a guard.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  data?: any
  /** Who and what caused it, as it was given to `append`. */
  meta?: EventMeta
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  [field: string]: any
}
