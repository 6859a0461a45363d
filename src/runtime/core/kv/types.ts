import type { Members } from '../shared/types'

export interface KvEntry {
  key: string
  value: unknown
  /** Seconds, fractions allowed; without it the key stays for ever. */
  ttlSeconds?: number
}

export const KV_ENTRY: Members<KvEntry> = { key: true, value: true, ttlSeconds: true }

export interface KvListOptions {
  /** `*` any run of characters, `?` exactly one, everything else literal. Default: all. */
  glob?: string
  /** Where the page before ended. */
  cursor?: string | null
  /** Default: 50. */
  limit?: number
}

export const KV_LIST_OPTIONS: Members<KvListOptions> = { glob: true, cursor: true, limit: true }

export interface KvList {
  keys: {
    key: string
    /** Milliseconds since 1970; absent when the key does not expire. */
    expiresAt?: number
  }[]
  /** Gives the next page; null after the last one. */
  cursor: string | null
}

export interface KvApi {
  // nvent's own type: values are read without a guard.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  get<T = any>(key: string): Promise<T | null>
  /** Stores a JSON value (`undefined` as null). Without `ttlSeconds` (fractions allowed) the key stays for ever. */
  set(key: string, value: unknown, ttlSeconds?: number): Promise<void>
  /** The values of several keys, in their order; null where there is none. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  getMany<T = any>(keys: string[]): Promise<(T | null)[]>
  /** Stores several values, all or none; of a key that comes twice the last value. */
  setMany(entries: KvEntry[]): Promise<void>
  /**
   * The keys that are alive, in order, page by page. `getMany` gives their values.
   * @example const { keys, cursor } = await store.kv.list({ glob: 'session:*', limit: 20 })
   */
  list(options?: KvListOptions): Promise<KvList>
  delete(key: string): Promise<void>
  /** Deletes the keys a glob matches (`*` any run, `?` one character, all else literal) and returns how many. */
  clear(glob: string): Promise<number>
  /**
   * Adds `by` (default 1) to a number, starting at 0; keeps the time to live.
   * @throws {StoreError} INVALID_VALUE when the key holds something else than a number; the value stays.
   */
  increment(key: string, by?: number): Promise<number>
}
