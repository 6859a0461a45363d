import { checkBoolean, checkCount, checkData, checkMembers, checkMilliseconds, checkName, checkNumber, checkPosition, checkText, checkType } from '../shared/checks'
import { invalidValue } from '../shared/errors'
import { namesIn, readMember } from '../shared/given'
import { encodeJson, put, textProblem, toJson } from '../shared/json'
import type { Json, JsonObject } from '../shared/json'
import { knownVersion } from '../tables/eventCodec'
import { EVENT_RULE } from './types'
import type { EvaluatedEvent, EventRuleInput, RuleCondition, RuleValue } from './types'

const MAX_ID_BYTES = 200
/** More fields than that are rather a search, which each event of the window would pay for. */
const MAX_FIELDS = 16
/** The store sets these for each event: a rule that compares them is about one event, or none. */
const OF_STORE = ['id', 'ts']

export interface CheckedRule {
  id: string
  when: RuleCondition
  threshold: number
  windowMs: number
  /** JSON. */
  result: string
  otherwise: string | undefined
  active: boolean
  order: number | undefined
}

export function checkRule(argument: string, given: EventRuleInput): CheckedRule {
  const rule = checkMembers(argument, given, EVENT_RULE)
  const { otherwise, active = true, order } = rule
  const threshold = checkCount(`${argument}.threshold`, rule.threshold)
  if (threshold === 0) throw invalidValue(`${argument}.threshold`, 'must be at least 1')
  if (rule.result === undefined) throw invalidValue(`${argument}.result`, 'must be given: any JSON value')
  if (order !== undefined && !Number.isSafeInteger(order)) throw invalidValue(`${argument}.order`, 'must be an integer')
  return {
    id: checkRuleId(`${argument}.id`, rule.id),
    when: checkCondition(`${argument}.when`, rule.when),
    threshold,
    windowMs: checkMilliseconds(`${argument}.windowMs`, rule.windowMs, 1),
    result: encodeJson(rule.result, `${argument}.result`),
    otherwise: otherwise === undefined ? undefined : encodeJson(otherwise, `${argument}.otherwise`),
    active: checkBoolean(`${argument}.active`, active),
    order,
  }
}

export const checkRuleId = (argument: string, id: unknown): string => checkName(argument, id, MAX_ID_BYTES)

function checkCondition(argument: string, given: RuleCondition | undefined): RuleCondition {
  if (given === undefined) return {}
  const condition = checkData(argument, given)
  const checked: JsonObject = {}
  for (const name of namesIn(condition, argument)) {
    const value = readMember(condition, name, argument)
    if (value === undefined) continue
    const problem = textProblem(name)
    if (problem) throw invalidValue(`the name of ${argument}.*`, problem)
    put(checked, name, checkValue(argument, name, value))
  }
  if (Object.keys(checked).length > MAX_FIELDS) throw invalidValue(argument, `must have at most ${MAX_FIELDS} members, not ${Object.keys(checked).length}`)
  return checked as RuleCondition
}

function checkValue(argument: string, name: string, value: unknown): RuleValue {
  const path = `${argument}.${name}`
  if (name === 'type') return checkType(path, value)
  if (name === 'subject') return checkText(path, value)
  if (OF_STORE.includes(name)) throw invalidValue(path, 'can\'t be compared: the store sets it for each event')
  if (value === null || typeof value === 'boolean') return value
  if (typeof value === 'number') return checkNumber(path, value)
  if (typeof value !== 'string') throw invalidValue(path, 'must be a string, a finite number, a boolean or null')
  const problem = textProblem(value)
  if (problem) throw invalidValue(path, problem)
  return value
}

export interface CheckedEvent {
  subject: string
  type: string
  id: string | undefined
  /** Of a record that the store returned. */
  version: number | undefined
  /** Milliseconds, an integer. */
  ts: number | undefined
  fields: Json
}

export function checkEvaluated(given: EvaluatedEvent): CheckedEvent {
  const event = checkData('event', given)
  const [id, ts] = ['id', 'ts'].map(name => readMember(event, name, 'event'))
  return {
    subject: checkName('event.subject', readMember(event, 'subject', 'event')),
    type: checkType('event.type', readMember(event, 'type', 'event')),
    id: id === undefined ? undefined : checkPosition('event.id', id),
    version: knownVersion(given),
    ts: ts === undefined ? undefined : checkCount('event.ts', ts),
    fields: toJson(event, 'event'),
  }
}
