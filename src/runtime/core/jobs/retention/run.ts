import { checkBoolean, checkOptions } from '../../shared/checks'
import type { Row, Session } from '../../db/types'
import type { StreamSpec } from '../../tables/types'
import type { StatementContext } from '../../sql/template'
import { countExceeding, takeBySubject, takeOld } from './sql'
import { RETENTION_RUN_OPTIONS } from './types'
import type { RetentionReport, RetentionRuleReport, RetentionRunOptions } from './types'
import type { Capability } from '../../shared/types'
import { isClosed, repeating } from '../repeat'
import type { BackgroundOutcome, Repeat } from '../repeat'
import type { TryExclusively } from '../jobLock'
import type { Rule } from './rules'
import { isMissing } from '../../partitions/subjectTables'
import { eventTables, matchedTables } from './tables'
import type { MatchedTable } from './tables'

// The limits of one transaction, so that it takes a few milliseconds.
const EVENTS = 1_000
const SUBJECTS = 500

interface RetentionOptions extends Repeat {
  context: StatementContext
  tryExclusively: TryExclusively
  specs: StreamSpec[]
  subjectPrefix: string
  rules: Rule[]
  /** Removes what else is too old, at most so many rows; returns how many. Absent where nothing is. */
  expire?: ((session: Session, limit: number) => Promise<number>) | undefined
  onEnd(report: RetentionReport, outcome: BackgroundOutcome): void
}

interface Retention extends Capability {
  run(options?: RetentionRunOptions): Promise<RetentionReport>
}

/**
 * Removes the events that exceed the retention rules, rule by rule and table by table. Each step is a transaction of
 * its own. Appends only insert, so they never wait for it; heads are kept, so versions continue without a gap.
 */
export function createRetention(options: RetentionOptions): Retention {
  const { tryExclusively, rules } = options
  let running: Promise<Outcome> | undefined

  async function run(): Promise<Outcome> {
    const outcome: Outcome = await report(runRule)
    const { report: done } = outcome
    if (outcome.error === undefined && !done.busy) await expire(outcome)
    if (!isClosed(outcome.error)) options.onEnd(done, { ...outcome, busy: done.busy })
    return outcome
  }

  async function expire(outcome: Outcome): Promise<void> {
    const { expire } = options
    if (!expire) return
    const { report } = outcome
    try {
      for (let removed: number | undefined = EVENTS; removed === EVENTS;) {
        removed = await tryExclusively(session => expire(session, EVENTS))
        report.busy ||= removed === undefined
        report.deadLetters += removed ?? 0
      }
    }
    catch (error) {
      outcome.error = error
    }
  }

  async function report(each: (rule: Rule, report: RetentionRuleReport) => Promise<boolean>): Promise<Outcome> {
    const since = performance.now()
    const report: RetentionReport = {
      busy: false, events: 0, durationMs: 0, rules: rules.map(({ subject, action }) => ({ subject, action, events: 0 })), deadLetters: 0,
    }
    const outcome: Outcome = { report }
    try {
      for (const [at, rule] of rules.entries()) report.busy ||= !await each(rule, report.rules[at]!)
    }
    catch (error) {
      outcome.error = error
    }
    report.events = report.rules.reduce((sum, { events }) => sum + events, 0)
    report.durationMs = Math.round(performance.now() - since)
    return outcome
  }

  /** Counts the events that `runRule` would remove. */
  async function countRule(rule: Rule, report: RetentionRuleReport): Promise<boolean> {
    const { context, specs, subjectPrefix } = options
    const counted = await tryExclusively(async (session) => {
      const tables = matchedTables(await eventTables(session, context.names, specs, subjectPrefix), rule.subject)
      for (const { table, pattern, from, to } of tables) {
        const { rows: [row] } = await session.query<Row & { events: number }>(countExceeding(context, table, { ...rule, pattern, from, to }))
        report.events += row!.events
      }
      return true
    })
    return counted ?? false
  }

  /** False when another instance holds the job lock. */
  async function runRule(rule: Rule, report: RetentionRuleReport): Promise<boolean> {
    const list = () => tryExclusively(session => eventTables(session, options.context.names, options.specs, options.subjectPrefix))
    const tables = await list()
    if (!tables) return false
    for (const matched of matchedTables(tables, rule.subject)) {
      try {
        for (const step of stepsOf(options.context, matched, rule)) {
          for (let more = true; more;) {
            const done = await tryExclusively(step)
            if (!done) return false
            report.events += done.taken
            more = done.more
          }
        }
      }
      catch (error) {
        // A table that was dropped meanwhile is no error: its events are gone with it.
        if (!isMissing(error) || (await list())?.some(({ table }) => table.name === matched.table.name) !== false) throw error
      }
    }
    return true
  }

  const once = () => running ??= run().finally(() => {
    running = undefined
  })
  return {
    ...repeating({ ...options, interval: rules.length > 0 || options.expire ? options.interval : 0 }, once),
    async run(given) {
      const { dryRun = false } = checkOptions('options', given, RETENTION_RUN_OPTIONS)
      const { report: done, error } = await (checkBoolean('options.dryRun', dryRun) ? report(countRule) : once())
      if (error !== undefined) throw error
      return done
    },
  }
}

interface Outcome {
  report: RetentionReport
  error?: unknown
}

interface Done {
  taken: number
  more: boolean
}

interface StepRow extends Row {
  /** The number of subjects, or of old events, that the step has read. */
  seen: number
  last: string | null
  taken: number
}

/** One function for each limit of a rule on a table; each call runs its next step. */
function stepsOf(context: StatementContext, matched: MatchedTable, { maxAgeMs, maxCount, action }: Rule): ((session: Session) => Promise<Done>)[] {
  const byAge = matched.whole ? ageSteps : subjectSteps
  return [
    ...maxAgeMs === undefined ? [] : [byAge(context, matched, { maxAgeMs, action })],
    ...maxCount === undefined ? [] : [subjectSteps(context, matched, { maxCount, action })],
  ]
}

function ageSteps(context: StatementContext, { table }: MatchedTable, rule: { maxAgeMs: number, action: Rule['action'] }) {
  let afterId = '0'
  return async (session: Session): Promise<Done> => {
    const { rows: [row] } = await session.query<StepRow>(takeOld(context, table, { ...rule, afterId, events: EVENTS }))
    const { seen, last, taken } = row!
    afterId = last ?? afterId
    return { taken, more: seen > 0 }
  }
}

function subjectSteps(
  context: StatementContext, { table, pattern, from, to }: MatchedTable, rule: { maxAgeMs?: number, maxCount?: number, action: Rule['action'] },
) {
  let afterKey = ''
  return async (session: Session): Promise<Done> => {
    const { rows: [row] } = await session.query<StepRow>(
      takeBySubject(context, table, { ...rule, pattern, from, to, afterKey, events: EVENTS, subjects: SUBJECTS }))
    const { seen, last, taken } = row!
    // A full step may have left events of its subjects: the next step reads the same subjects again.
    if (taken < EVENTS) afterKey = last ?? afterKey
    return { taken, more: taken === EVENTS || seen === SUBJECTS }
  }
}
