import { MAX_NAME_BYTES } from '../../arguments'
import { invalidOption } from '../../errors'
import { isObject, textProblem } from '../../json'
import { refuseUnknown } from '../../optionChecks'

/** A rule as it was given, checked, with its age in milliseconds. */
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
 * @throws {StoreError} INVALID_OPTION that names the member
 */
export function readRules(value: unknown): Rule[] {
  if (!Array.isArray(value)) throw invalidOption('retention', 'must be an array of rules: [{ subject: \'orders:*\', maxAge: \'30d\', action: \'drop\' }]')
  return value.map((rule: unknown, at) => readRule(rule, `retention.${at}`))
}

function readRule(value: unknown, path: string): Rule {
  if (!isObject(value)) throw invalidOption(path, 'must be an object: { subject: \'orders:*\', maxAge: \'30d\', action: \'drop\' }')
  refuseUnknown(value, MEMBERS, `${path}.`)
  const { subject, maxAge, maxCount, action } = value
  if (typeof subject !== 'string' || subject === '' || textProblem(subject)) throw invalidOption(`${path}.subject`, 'must be a text: a subject, or a pattern like orders:*')
  if (Buffer.byteLength(subject) > MAX_NAME_BYTES) throw invalidOption(`${path}.subject`, `is ${Buffer.byteLength(subject)} bytes long, at most ${MAX_NAME_BYTES} fit`)
  if (action !== 'drop' && action !== 'archive') throw invalidOption(`${path}.action`, 'must be \'drop\' or \'archive\'')
  if (maxAge === undefined && maxCount === undefined) throw invalidOption(path, 'needs `maxAge` or `maxCount`, else every event would stay')
  return {
    subject,
    maxAgeMs: maxAge === undefined ? undefined : milliseconds(`${path}.maxAge`, maxAge),
    maxCount: maxCount === undefined ? undefined : count(`${path}.maxCount`, maxCount),
    action,
  }
}

function milliseconds(option: string, value: unknown): number {
  const [, amount, unit] = (typeof value === 'string' && DURATION.exec(value)) || []
  const ms = amount === undefined || unit === undefined ? value : Number(amount) * UNITS_MS[unit]!
  if (typeof ms !== 'number' || !Number.isFinite(ms) || ms <= 0 || ms > Number.MAX_SAFE_INTEGER) {
    throw invalidOption(option, 'must be a number of milliseconds above 0, or a text like \'30d\' (s, m, h, d, w)')
  }
  return Math.ceil(ms)
}

function count(option: string, value: unknown): number {
  if (!Number.isSafeInteger(value) || (value as number) < 1) throw invalidOption(option, 'must be a whole number of at least 1')
  return value as number
}
