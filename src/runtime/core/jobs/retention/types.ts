import type { Members } from '../../shared/types'

/** Which events go, and when. At least one of `maxAge` and `maxCount`; an event goes when either says so. */
export interface RetentionRule {
  /** Subjects: `*` any run of characters, `?` one, all else literal. `orders:*` are the streams of type `orders`. */
  subject: string
  /** Events older than this go: milliseconds, or a text like `'30d'` (`s`, `m`, `h`, `d`, `w`). */
  maxAge?: number | string
  /** Of every subject the newest so many events stay. */
  maxCount?: number
  /** `drop` deletes, `archive` moves to `{prefix}_events_archive` in the same transaction. */
  action: 'drop' | 'archive'
}

export interface RetentionRuleReport {
  subject: string
  action: 'drop' | 'archive'
  /** Events this run took out. */
  events: number
}

export interface RetentionReport {
  /** Another instance is at it: this run stopped where it was. */
  busy: boolean
  events: number
  durationMs: number
  rules: RetentionRuleReport[]
}

export interface RetentionAdmin {
  /**
   * Takes out the events that the option `retention` gives no more room, in steps of a bounded number of rows.
   * One instance at a time does this; another one gives up with `busy: true`.
   */
  run(options?: RetentionRunOptions): Promise<RetentionReport>
}

export interface RetentionRunOptions {
  /** Count what would go, and change nothing. Of an event that several rules mean, each counts it. Default: false. */
  dryRun?: boolean
}

export const RETENTION_RUN_OPTIONS: Members<RetentionRunOptions> = { dryRun: true }
