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

/** What an event is given as. `id` and `ts` are the store's: a caller's own are ignored. */
export interface EventInput {
  type: string
  runId?: string
  flowName?: string
  stepName?: string
  stepId?: string
  attempt?: number
  data?: unknown
  /** Any other field comes back as it was given. */
  [field: string]: unknown
}

/** An event as it was stored. */
export interface EventRecord extends EventInput {
  /** Decimal string. Ids of all streams come from one sequence: the id is also the global position. */
  id: string
  /** Milliseconds since 1970 on the database's clock. Never runs backwards within a subject. */
  ts: number
  // As nvent's interface has them. An event that was given none has none: nothing is invented.
  runId: string
  flowName: string
  // nvent's own type is `any` here: its code reads members of `data` without a guard.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  data?: any
  /** Who and what caused it, as it was given to `append`. */
  meta?: EventMeta
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  [field: string]: any
}
