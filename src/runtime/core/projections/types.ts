import type { CaughtUpOptions, ConsumedEvent, ConsumeOptions, RunOnceOptions, RunOnceResult, StopOptions } from '../consumers/types'
import type { Members } from '../shared/types'
import type { TransactionApi } from '../transaction/types'

/** What `handle` is given beside a state and an event. */
export interface ProjectionContext {
  /** The transaction in which the state is kept: for tables of your own. */
  tx: TransactionApi
  projection: string
  version: number
  /** Number of the set of states that is made. Name tables of your own by it, and readers never see one half-built. */
  build: number
  /** Aborts when the attempt runs out of time, or its process stops without waiting any longer. */
  signal: AbortSignal
  /** From 1 on. */
  attempt: number
}

/** What `prepare` is given. */
export type PrepareContext = Pick<ProjectionContext, 'tx' | 'projection' | 'version' | 'build'>

/** What `sideEffects` is given. */
export interface SideEffectContext {
  projection: string
  signal: AbortSignal
  /** From 1 on. */
  attempt: number
}

/** An event and the key of the state that it belongs to. */
export interface ProjectedEvent {
  key: string
  event: ConsumedEvent
}

type Handled<State> = State | null | undefined

/** `Given`: what a handler gets for a key without a state: null, unless there is an `init`. */
export interface ProjectOptions<State, Given = State | null> extends Pick<ConsumeOptions, 'subjects' | 'types' | 'topics' | 'batchSize' | 'maxAttempts' | 'backoff' | 'attemptTimeout' | 'onExhausted' | 'shards' | 'leaseMs' | 'maxParked' | 'pollInterval' | 'order'> {
  /** At most 160 bytes. Instances with the same name and version share the work. */
  name: string
  /**
   * Raise it whenever the same events give other states: the states of the new version are built beside those that serve.
   * @default 1
   */
  version?: number
  /**
   * `async`: shortly after the append, in the background. `inline`: in the transaction of the append, which fails when
   * the handler does. Every process that appends must have the code of an inline projection, started or not.
   * @default 'async'
   */
  mode?: 'async' | 'inline'
  /** The state that an event belongs to; null: none. Default: its subject. */
  key?: (event: ConsumedEvent) => string | null | undefined
  /** The state of a key before its first event: a value, or a function of the key. */
  init?: State | ((key: string) => State)
  /** Returns the state after an event. `undefined`: it stays as it is; `null`: it is removed. */
  handle?: (state: Given, event: ConsumedEvent, context: ProjectionContext) => Handled<State> | Promise<Handled<State>>
  /**
   * Instead of `handle`, for several events at once: changes the states in the map, which has one for each key that has
   * one, or with `init` for each key. What it deletes from the map is removed.
   */
  handleBatch?: (states: Map<string, State>, events: ProjectedEvent[], context: ProjectionContext) => unknown
  /** Members of the states that `projections.query` may ask for, of the top level: strings, numbers, booleans or null. */
  fields?: string[]
  /** The member that sorts them, a number. States without it are in no sorted page. */
  sortBy?: string
  /** Called once for each build, before its first event: makes tables of your own. */
  prepare?: (context: PrepareContext) => unknown
  /**
   * Called for each event that is appended after the projection was first started, at least once. Never for those that
   * states are built of again.
   */
  sideEffects?: (event: ConsumedEvent, context: SideEffectContext) => unknown
  /**
   * Transactions at the same time in this process while states are built. At most half of the connections are taken.
   * @default 2
   */
  buildConcurrency?: number
}

export const PROJECT_OPTIONS: Members<ProjectOptions<unknown>> = {
  name: true, version: true, mode: true, subjects: true, types: true, topics: true, key: true, init: true, handle: true, handleBatch: true,
  prepare: true, sideEffects: true, fields: true, sortBy: true, buildConcurrency: true, order: true, batchSize: true, maxAttempts: true, backoff: true, attemptTimeout: true,
  onExhausted: true, shards: true, leaseMs: true, maxParked: true, pollInterval: true,
}

/** One set of states of a projection. */
export interface ProjectionBuild {
  build: number
  version: number
  mode: 'async' | 'inline'
  /** `serving`: readers get its states. `building`: not yet. `retired`: not any more, but `serve()` takes it back. */
  state: 'building' | 'serving' | 'retired'
  /** Every event up to here is in its states, or parked; null before the first start. */
  position: string | null
  /** Ids between the newest event of the log and `position`. */
  lag: number
  /** From 0 to 1: how much of the log is behind `position`. */
  progress: number
  /** Subjects that wait for a retry or an operator: their states are those before the event that failed. */
  parked: number
  createdAt: number
}

export interface ProjectionInfo {
  name: string
  /** The newest event of the log. */
  head: string
  serving: ProjectionBuild | null
  /** The newest one that is being built. */
  building: ProjectionBuild | null
  builds: ProjectionBuild[]
}

export interface ProjectionStatus extends ProjectionInfo {
  version: number
  /** Of this process. */
  state: 'idle' | 'running' | 'stopped' | 'failed'
  error?: unknown
}

/** The processes that make the states of one version of a projection. */
export interface Projection {
  readonly name: string
  readonly version: number
  /** Starts to make states; ends when the signal aborts. */
  start(signal?: AbortSignal): Promise<void>
  /** Finishes the events under way and gives the work to others. */
  stop(options?: StopOptions): Promise<void>
  /** Handles what there is: for functions that are frozen between requests. */
  runOnce(options?: RunOnceOptions): Promise<RunOnceResult>
  /**
   * Resolves once everything that was appended before this call is in the states that serve, by whichever process, and
   * nothing of this version is being built any more.
   * @throws {StoreError} TIMEOUT
   */
  whenCaughtUp(options?: CaughtUpOptions): Promise<void>
  status(): Promise<ProjectionStatus>
}

export interface ProjectionEntry<State = unknown> {
  key: string
  state: State
  /** Id of the event that has changed it last; 0 where `put` has made it. */
  position: string
}

export interface ProjectionListOptions {
  /** Only keys that match (`*` any characters, `?` one). */
  glob?: string
  /** `cursor` of the page before. */
  cursor?: string | null
  /** @default 50 */
  limit?: number
}

export const PROJECTION_LIST_OPTIONS: Members<ProjectionListOptions> = { glob: true, cursor: true, limit: true }

export interface ProjectionQueryOptions {
  /** Fields and what they must be; of several values one is enough. Only those in `fields` of the projection. */
  filter?: Record<string, string | number | boolean | null | (string | number | boolean | null)[] | undefined>
  /** By the number in `sortBy` of the projection. Without it, and without `min` and `max`, by key. */
  order?: 'asc' | 'desc'
  /** Lowest and highest number. */
  min?: number
  max?: number
  /** `cursor` of the page before, with the same options. */
  cursor?: string | null
  /** @default 50 */
  limit?: number
}

export const PROJECTION_QUERY_OPTIONS: Members<ProjectionQueryOptions> = { filter: true, order: true, min: true, max: true, cursor: true, limit: true }

export interface ProjectionList<State = unknown> {
  entries: ProjectionEntry<State>[]
  /** Of the next page; null on the last one. */
  cursor: string | null
}

/** The states of projections, for readers and operators. All of them are those of the build that serves. */
export interface ProjectionsApi {
  /** The state of a key; null where there is none, and while no build serves. */
  get<State = unknown>(name: string, key: string): Promise<State | null>
  /** The same for many keys, in their order. */
  getMany<State = unknown>(name: string, keys: string[]): Promise<(State | null)[]>
  /** A page of states, in the order of their keys. */
  list<State = unknown>(name: string, options?: ProjectionListOptions): Promise<ProjectionList<State>>
  /** All of them, page by page. */
  all<State = unknown>(name: string, options?: Pick<ProjectionListOptions, 'glob'>): AsyncIterable<ProjectionEntry<State>>
  /**
   * A page of the states that have these fields. The projection has to declare them (`fields`, `sortBy`).
   * @throws {StoreError} NOT_FOUND, INVALID_CALL while nothing serves yet, or where none are declared
   */
  query<State = unknown>(name: string, options?: ProjectionQueryOptions): Promise<ProjectionList<State>>
  /** How many states have these fields. */
  count(name: string, filter?: ProjectionQueryOptions['filter']): Promise<number>
  /** Replaces a state by hand; null removes it. The next event of the key continues from it. */
  put(name: string, key: string, state: unknown): Promise<void>
  /** How far each build is; null where there is no such projection. */
  checkpoint(name: string): Promise<ProjectionInfo | null>
  /**
   * Builds the states of the version that serves again, beside them. They serve once they have caught up. Processes that
   * have started the projection do the work.
   * @throws {StoreError} NOT_FOUND, INVALID_CALL while it is built already
   */
  rebuild(name: string): Promise<ProjectionBuild>
  /**
   * Removes all states and begins again with the first event. Readers see how they come back; `rebuild` hides that.
   * @throws {StoreError} NOT_FOUND, INVALID_CALL while nothing serves yet
   */
  truncate(name: string): Promise<void>
  /**
   * Lets another version serve, at once: the way back.
   * @throws {StoreError} NOT_FOUND, INVALID_CALL for a version that has not caught up since it was made
   */
  serve(name: string, version: number): Promise<void>
  /**
   * Removes a version that does not serve, or with no version the whole projection, its states included.
   * @returns false where there is no such thing
   * @throws {StoreError} INVALID_CALL for the version that serves
   */
  remove(name: string, version?: number): Promise<boolean>
}

/** `store.project` */
export interface Project {
  <State>(options: ProjectOptions<State, State> & { init: State | ((key: string) => State) }): Projection
  // With one signature, the parameters of the functions in a literal would have no types.
  // eslint-disable-next-line @typescript-eslint/unified-signatures
  <State>(options: ProjectOptions<State>): Projection
}
