import type { Members } from '../../shared/types'

/** Removes events that exceed `maxAge` or `maxCount`; at least one of them is required. */
export interface RetentionRule {
  /** A subject or glob: `*` matches any characters, `?` one. `orders:*` matches the streams of type `orders`. */
  subject: string
  /** Remove events that are older: milliseconds, or a string like `'30d'` (`s`, `m`, `h`, `d`, `w`). */
  maxAge?: number | string
  /** Keep this many of the newest events of every subject: an integer of at least 1. */
  maxCount?: number
  /** `drop` deletes, `archive` moves to `{prefix}_events_archive` in the same transaction. */
  action: 'drop' | 'archive'
}

export interface RetentionRuleReport {
  subject: string
  action: 'drop' | 'archive'
  /** Number of events that this run removed, or with `dryRun` would remove. */
  events: number
}

export interface RetentionReport {
  /** Another instance was running retention, so this run stopped early. */
  busy: boolean
  events: number
  durationMs: number
  rules: RetentionRuleReport[]
  /** Dead letters that the option `deadLetterMaxAge` has removed; not counted by a dry run. */
  deadLetters: number
}

export interface RetentionAdmin {
  /**
   * Removes the events that exceed the rules of the option `retention`, in transactions of bounded size. Runs on one
   * instance at a time; while another instance runs it, the result has `busy: true`.
   * @throws {StoreError} INVALID_VALUE; CONNECTION, TIMEOUT
   */
  run(options?: RetentionRunOptions): Promise<RetentionReport>
}

export interface RetentionRunOptions {
  /** Only count the events, and change nothing. An event that several rules match is counted by each. Default: false. */
  dryRun?: boolean
}

export const RETENTION_RUN_OPTIONS: Members<RetentionRunOptions> = { dryRun: true }
