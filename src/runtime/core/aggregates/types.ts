import type { EventInput, EventMeta, EventRecord } from '../shared/event'
import type { Members } from '../shared/types'
import type { TransactionApi } from '../transaction/types'
import type { EventCodec, EventSchemas, TypedEvent, TypedEventInput } from '../typed/types'

/** The events of an aggregate as `evolve` gets them; without a schema, those of the stream. */
export type AggregateEvent<Schemas extends EventSchemas> = EventSchemas extends Schemas ? EventRecord : TypedEvent<Schemas>

/** The events of an aggregate as they are given to be appended. */
export type AggregateInput<Schemas extends EventSchemas> = EventSchemas extends Schemas ? EventInput : TypedEventInput<Schemas>

/** What a decision gives: the events to append; nothing, or an empty list, appends none. */
export type Decision<Schemas extends EventSchemas> = AggregateInput<Schemas> | AggregateInput<Schemas>[] | null | undefined

export interface SnapshotOptions<State> {
  /** A snapshot is written when so many events have been appended since the last one. */
  every: number
  /**
   * The version of the shape of the state, at least 1. Increment it when `evolve` or the state changes: snapshots of other
   * versions are not used. Default: 1.
   */
  schemaVersion?: number
  /**
   * Converts the state of an older version into that of the current one. Default: older snapshots are ignored, and the
   * state is made from all events.
   */
  upcast?: (state: unknown, schemaVersion: number) => State
}

export const SNAPSHOT_OPTIONS: Members<SnapshotOptions<unknown>> = { every: true, schemaVersion: true, upcast: true }

export interface AggregateOptions<State, Schemas extends EventSchemas = EventSchemas, Command = never> {
  /** The kind of thing it is, such as `order`. Snapshots are kept by this name. */
  name: string
  /** The subject of the stream of an id. Default: `{name}:{id}`. */
  subject?: (id: string) => string
  /** The state before the first event, or a function that makes it. A value is copied for each use. */
  initial: State | (() => State)
  /** Returns the state after an event. The same events have to give the same state each time. */
  evolve: (state: State, event: AggregateEvent<Schemas>) => State
  /** Returns the events that a command results in, for `handle(id, command)`. What it throws rejects the call. */
  decide?: (state: State, command: Command) => Decision<Schemas> | Promise<Decision<Schemas>>
  /** The schemas of `data` by event type (zod, valibot, arktype …), or a codec with upcasts. Default: events are not checked. */
  schema?: EventCodec<Schemas> | Schemas
  /** What to do with events of other types than those of `schema`. Default: `error`. */
  unknown?: 'error' | 'skip'
  /** The topics of each event that is appended, for consumers and the outbox. */
  topics?: string[]
  /** Default: no snapshots; the state is made from all events each time. */
  snapshot?: SnapshotOptions<State>
}

export const AGGREGATE_OPTIONS: Members<AggregateOptions<unknown>> = {
  name: true, subject: true, initial: true, evolve: true, decide: true, schema: true, unknown: true, topics: true, snapshot: true,
}

export interface LoadedAggregate<State> {
  id: string
  subject: string
  /** Version of the last event; 0: there is none. */
  version: number
  state: State
}

export interface HandleOptions {
  /**
   * How often the command is decided again, on the newer state, when others have appended in the meantime. Default: 3.
   */
  retries?: number
  /** Stored with every event of the call as `event.meta`. */
  meta?: EventMeta
}

export const HANDLE_OPTIONS: Members<HandleOptions> = { retries: true, meta: true }

export interface HandledCommand<State, Schemas extends EventSchemas> extends LoadedAggregate<State> {
  /** The events that were appended; `state` includes them. */
  events: AggregateEvent<Schemas>[]
}

export interface AggregateCalls<State, Schemas extends EventSchemas, Command> {
  /** The state of one aggregate, from its latest snapshot and the events since. Without events it is the initial state. */
  load(id: string): Promise<LoadedAggregate<State>>
  /**
   * Loads an aggregate, decides, and appends what was decided, provided that nothing else was appended in the meantime;
   * else all of this is repeated on the newer state. `decision` is a command for `decide` of the aggregate, or a function
   * of the state that returns the events.
   * @throws what `decide` and `evolve` throw, and {@link StoreError}: VERSION_CONFLICT when each try lost the race,
   *   ARCHIVED, INVALID_VALUE
   * @example await orders.handle('42', state => state.paid ? [] : { type: 'order.paid' })
   */
  handle(id: string, decision: Command | ((state: State) => Decision<Schemas> | Promise<Decision<Schemas>>), options?: HandleOptions): Promise<HandledCommand<State, Schemas>>
}

export interface Aggregate<State, Schemas extends EventSchemas = EventSchemas, Command = never> extends AggregateCalls<State, Schemas, Command> {
  readonly name: string
  /** The same calls inside a transaction: what `handle` appends, and its snapshot, are committed with it. */
  with(tx: TransactionApi): AggregateCalls<State, Schemas, Command>
  /**
   * Writes a snapshot of the newest state and moves the events before it to the archive, in one transaction. Only events
   * that all consumers have handled are moved. `load` no longer reads them; with another `schemaVersion`, or when one of
   * them is dismissed, the state is made from the archive again.
   * @returns the number of events that were moved
   * @throws {StoreError} INVALID_CALL without the option `snapshot`; INVALID_VALUE when the state can't be kept as JSON
   */
  compact(id: string): Promise<number>
}

/** One aggregate of a session. */
export interface SessionAggregate<State, Schemas extends EventSchemas> extends Readonly<LoadedAggregate<State>> {
  /**
   * Adds events to be appended by `save`, and returns the state with them. `evolve` gets them as they are given, without
   * id and time.
   */
  append(...events: AggregateInput<Schemas>[]): State
}

/** A unit of work over any number of aggregates: all that it appends is saved in one transaction, or not at all. */
export interface AggregateSession {
  /** Loads an aggregate; a second call for the same one gives the same object. */
  load<State, Schemas extends EventSchemas, Command>(aggregate: Aggregate<State, Schemas, Command>, id: string): Promise<SessionAggregate<State, Schemas>>
  /** Begins a stream that has no events yet, without reading it: `save` is refused with VERSION_CONFLICT if it has some. */
  start<State, Schemas extends EventSchemas, Command>(
    aggregate: Aggregate<State, Schemas, Command>, id: string, ...events: AggregateInput<Schemas>[]
  ): SessionAggregate<State, Schemas>
  /**
   * Appends everything in one transaction: events, their topics for the outbox, snapshots.
   * Afterwards the session can go on. When it rejects nothing was saved, and the events are still there: load the
   * aggregates in a new session after a VERSION_CONFLICT.
   * @param work more to be done in the same transaction, after the events
   * @returns the events that were appended, in the order of the aggregates
   * @throws {StoreError} VERSION_CONFLICT when others have appended to one of the streams since it was loaded
   */
  save(work?: (tx: TransactionApi) => Promise<unknown>): Promise<EventRecord[]>
}

/** Makes aggregates and sessions of them. */
export interface AggregatesApi {
  /**
   * Describes a kind of aggregate: a stream for each id, whose events give a state, which decides what happens next.
   * @throws {StoreError} INVALID_VALUE at once, when an option can't be right
   * @example
   * const orders = store.aggregate({
   *   name: 'order',
   *   initial: { paid: false },
   *   evolve: (state, event) => event.type === 'order.paid' ? { ...state, paid: true } : state,
   *   snapshot: { every: 100 },
   * })
   * await orders.handle('42', state => state.paid ? [] : { type: 'order.paid' })
   */
  aggregate<State, const Schemas extends EventSchemas = EventSchemas, Command = never>(
    options: AggregateOptions<State, Schemas, Command>,
  ): Aggregate<State, Schemas, Command>
  /**
   * Starts a unit of work over aggregates. A session is for one request: it is not shared.
   * @example
   * const session = store.session()
   * const order = await session.load(orders, '42')
   * order.append({ type: 'order.paid' })
   * session.start(invoices, '7', { type: 'invoice.sent' })
   * await session.save()
   */
  session(): AggregateSession
}
