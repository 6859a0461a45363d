import { checkBoolean, checkOptions } from '../../shared/checks'
import type { Row, Session } from '../../db/types'
import type { StreamSpec } from '../../tables/types'
import type { StatementContext } from '../../sql/template'
import { countMeant, takeBySubject, takeOld } from './sql'
import { RETENTION_RUN_OPTIONS } from './types'
import type { RetentionReport, RetentionRuleReport, RetentionRunOptions } from './types'
import type { Capability } from '../../shared/types'
import { isClosed, repeating } from '../repeat'
import type { BackgroundOutcome, Repeat } from '../repeat'
import type { TryExclusively } from '../jobLock'
import type { Rule } from './rules'
import { isMissing } from '../../partitions/subjectTables'
import { eventTables, meantTables } from './tables'
import type { MeantTable } from './tables'

// What one transaction takes out, and looks at: a few milliseconds.
const EVENTS = 1_000
const SUBJECTS = 500

interface RetentionOptions extends Repeat {
  context: StatementContext
  tryExclusively: TryExclusively
  specs: StreamSpec[]
  subjectPrefix: string
  rules: Rule[]
  onEnd(report: RetentionReport, outcome: BackgroundOutcome): void
}

interface Retention extends Capability {
  run(options?: RetentionRunOptions): Promise<RetentionReport>
}

/**
 * Takes out what the rules give no more room, rule by rule and table by table, in steps that are transactions of
 * their own. Appends only insert, so they never wait for it; heads stay, so versions go on where they were.
 */
export function createRetention(options: RetentionOptions): Retention {
  const { tryExclusively, rules } = options
  let running: Promise<Outcome> | undefined

  async function run(): Promise<Outcome> {
    const outcome: Outcome = await report(runRule)
    const { report: done } = outcome
    if (!isClosed(outcome.error)) options.onEnd(done, { ...outcome, busy: done.busy })
    return outcome
  }

  async function report(each: (rule: Rule, report: RetentionRuleReport) => Promise<boolean>): Promise<Outcome> {
    const since = performance.now()
    const report: RetentionReport = {
      busy: false, events: 0, durationMs: 0, rules: rules.map(({ subject, action }) => ({ subject, action, events: 0 })),
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

  /** Counts what `runRule` would take out. */
  async function countRule(rule: Rule, report: RetentionRuleReport): Promise<boolean> {
    const { context, specs, subjectPrefix } = options
    const counted = await tryExclusively(async (session) => {
      const tables = meantTables(await eventTables(session, context.names, specs, subjectPrefix), rule.subject)
      for (const { table, pattern, from, to } of tables) {
        const { rows: [row] } = await session.query<Row & { events: number }>(countMeant(context, table, { ...rule, pattern, from, to }))
        report.events += row!.events
      }
      return true
    })
    return counted ?? false
  }

  /** False when another instance is at it. */
  async function runRule(rule: Rule, report: RetentionRuleReport): Promise<boolean> {
    const list = () => tryExclusively(session => eventTables(session, options.context.names, options.specs, options.subjectPrefix))
    const tables = await list()
    if (!tables) return false
    for (const meant of meantTables(tables, rule.subject)) {
      try {
        for (const step of stepsOf(options.context, meant, rule)) {
          for (let more = true; more;) {
            const done = await tryExclusively(step)
            if (!done) return false
            report.events += done.taken
            more = done.more
          }
        }
      }
      catch (error) {
        // Unless it was dropped meanwhile, with all that would have been taken out.
        if (!isMissing(error) || (await list())?.some(({ table }) => table.name === meant.table.name) !== false) throw error
      }
    }
    return true
  }

  const once = () => running ??= run().finally(() => {
    running = undefined
  })
  return {
    ...repeating({ ...options, interval: rules.length > 0 ? options.interval : 0 }, once),
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
  /** Subjects, or old events, that were looked at. */
  seen: number
  last: string | null
  taken: number
}

/** One for each way a rule goes through a table; each call takes a step further. */
function stepsOf(context: StatementContext, meant: MeantTable, { maxAgeMs, maxCount, action }: Rule): ((session: Session) => Promise<Done>)[] {
  const byAge = meant.whole ? ageSteps : subjectSteps
  return [
    ...maxAgeMs === undefined ? [] : [byAge(context, meant, { maxAgeMs, action })],
    ...maxCount === undefined ? [] : [subjectSteps(context, meant, { maxCount, action })],
  ]
}

function ageSteps(context: StatementContext, { table }: MeantTable, rule: { maxAgeMs: number, action: Rule['action'] }) {
  let afterId = '0'
  return async (session: Session): Promise<Done> => {
    const { rows: [row] } = await session.query<StepRow>(takeOld(context, table, { ...rule, afterId, events: EVENTS }))
    const { seen, last, taken } = row!
    afterId = last ?? afterId
    return { taken, more: seen > 0 }
  }
}

function subjectSteps(
  context: StatementContext, { table, pattern, from, to }: MeantTable, rule: { maxAgeMs?: number, maxCount?: number, action: Rule['action'] },
) {
  let afterKey = ''
  return async (session: Session): Promise<Done> => {
    const { rows: [row] } = await session.query<StepRow>(
      takeBySubject(context, table, { ...rule, pattern, from, to, afterKey, events: EVENTS, subjects: SUBJECTS }))
    const { seen, last, taken } = row!
    // A full step may have left events of its subjects behind: they are looked at once more.
    if (taken < EVENTS) afterKey = last ?? afterKey
    return { taken, more: taken === EVENTS || seen === SUBJECTS }
  }
}
