import type { Row } from '../db/types'
import { checkArray, checkOptions } from '../shared/checks'
import { globMatcher } from '../shared/glob'
import { isObject } from '../shared/json'
import type { Json } from '../shared/json'
import type { StreamScope } from '../stream/streamScope'
import type { ReadRange } from '../stream/read/sql'
import { pathOf } from '../tables/fields'
import { checkEvaluated, checkRule, checkRuleId } from './ruleChecks'
import type { CheckedEvent, CheckedRule } from './ruleChecks'
import { countEvents, deleteRule, putRule, readClock, readEventRules } from './sql'
import type { FieldValue } from './sql'
import { DRY_RUN_OPTIONS } from './types'
import type { EventRule, RuleCondition, RuleOutcome, RulesApi, RuleStep } from './types'

/** What an evaluation needs of a rule. */
type Asked = Pick<EventRule, 'id' | 'when' | 'threshold' | 'windowMs' | 'result' | 'otherwise' | 'active'>

export function createRules({ context, use, streamRoute }: Pick<StreamScope, 'context' | 'use' | 'streamRoute'>): RulesApi {
  /** How many events of the subject a rule is about, up to its threshold. */
  async function count({ when, threshold, windowMs }: Asked, { subject, id, version, ts }: CheckedEvent, now: number): Promise<number> {
    const range: ReadRange = {
      order: 'desc',
      types: when.type === undefined ? undefined : [when.type],
      from: String((ts ?? now) - windowMs + 1),
      ...upTo(version, id, ts),
      limit: threshold,
    }
    const statement = countEvents(context, { route: streamRoute(subject), range, fields: fieldsOfRule(when) })
    const { rows: [row] } = await use(session => session.query<{ count: number }>(statement))
    return row!.count
  }

  async function stored(): Promise<{ rules: EventRule[], now: number }> {
    const { rows } = await use(session => session.query(readEventRules(context)))
    return { rules: rows.map(toRule), now: Number(rows[0]?.now ?? 0) }
  }

  async function clock(): Promise<number> {
    const { rows: [row] } = await use(session => session.query<{ now: number }>(readClock(context)))
    return row!.now
  }

  /** Asks one rule; the outcome is undefined when later ones are to be asked. */
  async function ask(rule: Asked, event: CheckedEvent, now: number): Promise<{ step: Omit<RuleStep, 'decides'>, outcome?: RuleOutcome }> {
    const { id, active, threshold, result, otherwise } = rule
    const step = { rule: id, active, matches: isAbout(rule.when, event), threshold }
    if (!active || !step.matches) return { step: { ...step, reached: false } }
    const counted = await count(rule, event, now)
    const reached = counted >= threshold
    const asked = { step: { ...step, count: counted, reached } }
    if (!reached && otherwise === undefined) return asked
    return { ...asked, outcome: { rule: id, reached, result: reached ? result : otherwise, count: counted } }
  }

  return {
    async upsert(given) {
      const rule = checkRule('rule', given)
      const { rows: [row] } = await use(session => session.query(putRule(context, rule)))
      return toRule(row!)
    },

    list: async () => (await stored()).rules,

    async get(id) {
      const name = checkRuleId('id', id)
      const { rows: [row] } = await use(session => session.query(readEventRules(context, name)))
      return row ? toRule(row) : null
    },

    async remove(id) {
      const name = checkRuleId('id', id)
      return (await use(session => session.query(deleteRule(context, name)))).count > 0
    },

    async evaluate(given) {
      const event = checkEvaluated(given)
      const { rules, now } = await stored()
      for (const rule of rules) {
        const { outcome } = await ask(rule, event, now)
        if (outcome) return outcome
      }
      return null
    },

    async dryRun(given, options) {
      const event = checkEvaluated(given)
      const { rules: tried } = checkOptions('options', options, DRY_RUN_OPTIONS)
      const candidates = tried === undefined ? undefined : checkArray('options.rules', tried).map((rule, at) => toAsked(checkRule(`options.rules.${at}`, rule as never)))
      const { rules, now } = candidates ? { rules: candidates, now: await clock() } : await stored()
      const steps: RuleStep[] = []
      let decided: RuleOutcome | null = null
      for (const rule of rules) {
        const { step, outcome } = await ask(rule, event, now)
        steps.push({ ...step, decides: decided === null && outcome !== undefined })
        decided ??= outcome ?? null
      }
      return { outcome: decided, steps }
    },
  }
}

/** The last event that counts: the version of a record, else its id, else its time. */
function upTo(version: number | undefined, id: string | undefined, ts: number | undefined): Partial<ReadRange> {
  if (version !== undefined) return { toVersion: version }
  if (id !== undefined) return { before: String(BigInt(id) + BigInt(1)) }
  return ts === undefined ? {} : { to: String(ts) }
}

/** Whether the condition of a rule is true of an event. The database compares in the same way. */
function isAbout({ type, subject, ...fields }: RuleCondition, event: CheckedEvent): boolean {
  return (type === undefined || type === event.type)
    && (subject === undefined || globMatcher(subject)(event.subject))
    && Object.entries(fields).every(([name, value]) => valueAt(event.fields, pathOf(name)) === value)
}

const valueAt = (value: Json, path: string[]): Json | undefined =>
  path.reduce<Json | undefined>((inner, name) => {
    if (Array.isArray(inner)) return /^-?\d+$/.test(name) ? inner.at(Number(name)) : undefined
    return isObject(inner) && Object.hasOwn(inner, name) ? inner[name] : undefined
  }, value)

function fieldsOfRule({ type: _type, subject: _subject, ...fields }: RuleCondition): FieldValue[] {
  return Object.entries(fields).map(([name, value]) => ({ path: pathOf(name), json: JSON.stringify(value) }))
}

function toAsked({ result, otherwise, ...rule }: CheckedRule): Asked {
  return { ...rule, result: JSON.parse(result), otherwise: otherwise === undefined ? undefined : JSON.parse(otherwise) }
}

function toRule(row: Row): EventRule {
  return {
    id: row.id as string,
    when: JSON.parse(row.condition as string) as RuleCondition,
    threshold: Number(row.threshold),
    windowMs: Number(row.window_ms),
    result: JSON.parse(row.result as string),
    ...row.otherwise !== null && { otherwise: JSON.parse(row.otherwise as string) },
    active: row.active as boolean,
    order: Number(row.place),
  }
}
