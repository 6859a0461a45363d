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

/** `store.project` */
export interface Project {
  <State>(options: ProjectOptions<State, State> & { init: State | ((key: string) => State) }): Projection
  // With one signature, the parameters of the functions in a literal would have no types.
  // eslint-disable-next-line @typescript-eslint/unified-signatures
  <State>(options: ProjectOptions<State>): Projection
}
