import type { Members } from '../shared/types'
import type { ProjectionBuild, ProjectionInfo } from './types'

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
