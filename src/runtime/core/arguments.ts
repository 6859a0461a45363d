import { invalidValue } from './errors'
import { isObject, startsWithMark, textProblem } from './json'

/** Three of them fit the widest key of an index (2,704 bytes): tenant, key and entry id. */
export const MAX_NAME_BYTES = 1024
const MAX_TYPE_BYTES = 512
// Not a literal: bundlers that aim at older targets warn about those.
const MAX_BIGINT = BigInt('9223372036854775807')
// More digits than a bigint has: a number that long is cut off before it is read.
const MAX_DIGITS = 30

/** A text of 1 to 1,024 bytes that PostgreSQL can hold. */
export function checkText(argument: string, value: unknown, maxBytes = MAX_NAME_BYTES): string {
  if (typeof value !== 'string') throw invalidValue(argument, `must be a text, not ${describe(value)}`)
  if (value === '') throw invalidValue(argument, 'must not be empty')
  const problem = textProblem(value)
  if (problem) throw invalidValue(argument, problem)
  // A UTF-16 unit takes at most three bytes: only long texts need counting.
  if (value.length * 3 > maxBytes && Buffer.byteLength(value) > maxBytes) {
    throw invalidValue(argument, `is ${Buffer.byteLength(value)} bytes long, at most ${maxBytes} fit`)
  }
  return value
}

/** A subject, key or id: a text that is read back as it was written. */
export function checkName(argument: string, value: unknown, maxBytes = MAX_NAME_BYTES): string {
  const name = checkText(argument, value, maxBytes)
  if (startsWithMark(name)) throw invalidValue(argument, 'begins with a byte order mark (\\ufeff), which some drivers drop')
  return name
}

export const checkType = (argument: string, value: unknown): string => checkName(argument, value, MAX_TYPE_BYTES)

export function checkNumber(argument: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw invalidValue(argument, `must be a finite number, not ${describe(value)}`)
  }
  return value
}

export function checkBoolean(argument: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw invalidValue(argument, `must be true or false, not ${describe(value)}`)
  return value
}

export function checkCount(argument: string, value: unknown): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) {
    throw invalidValue(argument, `must be a whole number of at least 0, not ${describe(value)}`)
  }
  return value as number
}

/** A plain object; arrays, Dates, Maps and the like hold nothing a table could keep. */
export function checkObject(argument: string, value: unknown): Record<string, unknown> {
  if (!isObject(value) || Object.prototype.toString.call(value) !== '[object Object]') {
    throw invalidValue(argument, `must be a plain object, not ${describe(value)}`)
  }
  return value
}

/** Options that may be left out. */
export function checkOptions<T extends object>(argument: string, value: T | undefined | null): Partial<T> {
  return value === undefined || value === null ? {} : checkObject(argument, value) as Partial<T>
}

export function checkArray(argument: string, value: unknown): unknown[] {
  if (!Array.isArray(value)) throw invalidValue(argument, `must be an array, not ${describe(value)}`)
  return value
}

export function checkFunction(argument: string, value: unknown): void {
  if (typeof value !== 'function') throw invalidValue(argument, `must be a function, not ${describe(value)}`)
}

/** An event id used as a position: any decimal number, cut off at what a bigint can hold. */
export function checkPosition(argument: string, value: unknown): string {
  const text = typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : value
  if (typeof text !== 'string' || !/^-?\d+$/.test(text)) {
    throw invalidValue(argument, `must be an event id (a decimal number), not ${describe(value)}`)
  }
  const position = BigInt(text.length > MAX_DIGITS ? text.replace(/^(-?)0+/, '$1').slice(0, MAX_DIGITS) || '0' : text)
  if (position > MAX_BIGINT) return String(MAX_BIGINT)
  return String(position < -MAX_BIGINT ? -MAX_BIGINT : position)
}

function describe(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)
  if (typeof value === 'number' || typeof value === 'boolean' || value === undefined) return String(value)
  return Array.isArray(value) ? 'an array' : `a ${typeof value === 'object' ? Object.prototype.toString.call(value).slice(8, -1) : typeof value}`
}
