import { MAX_NAME_BYTES } from '../../shared/checks'
import { invalidOption } from '../../shared/errors'
import { describe } from '../../shared/given'
import { isObject, textProblem } from '../../shared/json'
import { refuseUnknown } from '../../shared/optionChecks'

/** A checked rule, with its maximum age in milliseconds. */
export interface Rule {
  subject: string
  maxAgeMs: number | undefined
  maxCount: number | undefined
  action: 'drop' | 'archive'
}

const MEMBERS = ['subject', 'maxAge', 'maxCount', 'action']
const UNITS_MS: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }
const DURATION = /^(\d+(?:\.\d+)?)\s*([smhdw])$/

/**
 * Reads the option `retention`.
 * @throws {StoreError} INVALID_OPTION with the path of the member
 */
export function readRules(value: unknown): Rule[] {
  if (!Array.isArray(value)) throw invalidOption('retention', 'must be an array of rules: [{ subject: \'orders:*\', maxAge: \'30d\', action: \'drop\' }]')
  return value.map((rule: unknown, at) => readRule(rule, `retention.${at}`))
}

/** Reports the first fault: unknown members before values, values in the order in which the members are documented. */
function readRule(value: unknown, path: string): Rule {
  if (!isObject(value)) throw invalidOption(path, `must be an object, { subject: 'orders:*', maxAge: '30d', action: 'drop' }, not ${describe(value)}`)
  refuseUnknown(value, MEMBERS, `${path}.`)
  const rule = {
    subject: subject(`${path}.subject`, value.subject),
    maxAgeMs: value.maxAge === undefined ? undefined : checkAge(`${path}.maxAge`, value.maxAge),
    maxCount: value.maxCount === undefined ? undefined : count(`${path}.maxCount`, value.maxCount),
    action: action(`${path}.action`, value.action),
  }
  if (rule.maxAgeMs === undefined && rule.maxCount === undefined) throw invalidOption(path, `(${describe(rule.subject)}) needs \`maxAge\` or \`maxCount\`: without a limit it would remove nothing`)
  return rule
}

function subject(option: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') throw invalidOption(option, `must be a string, a subject or a pattern like orders:*, not ${describe(value)}`)
  const problem = textProblem(value)
  if (problem) throw invalidOption(option, problem)
  const bytes = Buffer.byteLength(value)
  if (bytes > MAX_NAME_BYTES) throw invalidOption(option, `is ${bytes} bytes long, more than the maximum of ${MAX_NAME_BYTES}`)
  return value
}

/** @throws {StoreError} INVALID_OPTION for anything but milliseconds above 0, or a string like '30d' */
export function checkAge(option: string, value: unknown): number {
  const [, amount, unit] = (typeof value === 'string' && DURATION.exec(value)) || []
  const ms = amount === undefined || unit === undefined ? value : Number(amount) * UNITS_MS[unit]!
  if (typeof ms !== 'number' || !Number.isFinite(ms) || ms <= 0 || ms > Number.MAX_SAFE_INTEGER) {
    throw invalidOption(option, `must be a number of milliseconds above 0, or a string like '30d' (s, m, h, d, w), not ${describe(value)}`)
  }
  return Math.ceil(ms)
}

function count(option: string, value: unknown): number {
  if (!Number.isSafeInteger(value) || (value as number) < 1) throw invalidOption(option, `must be an integer of at least 1, not ${describe(value)}`)
  return value as number
}

function action(option: string, value: unknown): Rule['action'] {
  if (value !== 'drop' && value !== 'archive') throw invalidOption(option, `must be 'drop' or 'archive', not ${describe(value)}`)
  return value
}
