import { refusalIn } from './definition'
import { invalidValue } from './errors'
import type { StoreError } from './errors'
import { membersOf, describe, isPlainObject, itemsOf, namesIn, readMember, symbolIn, tagOf } from './given'
import { startsWithMark, textProblem, toJson } from './json'
import { nearest } from './nearest'
import { MAX_MS } from './timer'
import type { Members } from './types'

/** Tenant, key and entry id together have to fit an index row of PostgreSQL (2,704 bytes). */
export const MAX_NAME_BYTES = 1024
const MAX_TYPE_BYTES = 512
// Not a BigInt literal: bundlers with older targets warn about those.
const MAX_BIGINT = BigInt('9223372036854775807')
const MAX_SHOWN_NAME = 60
// More digits than a bigint has. Longer input is truncated before BigInt parses it, which takes quadratic time.
const MAX_DIGITS = 30

/** A string of 1 to `maxBytes` bytes that PostgreSQL can store. */
export function checkText(argument: string, value: unknown, maxBytes = MAX_NAME_BYTES): string {
  if (typeof value !== 'string') throw invalidValue(argument, `must be a string, not ${describe(value)}`)
  if (value === '') throw invalidValue(argument, 'must not be empty')
  const problem = textProblem(value)
  if (problem) throw invalidValue(argument, problem)
  // A UTF-16 unit takes at most three bytes in UTF-8, so short strings need no counting.
  if (value.length * 3 > maxBytes && Buffer.byteLength(value) > maxBytes) {
    throw invalidValue(argument, `is ${Buffer.byteLength(value)} bytes long, at most ${maxBytes} fit`)
  }
  return value
}

/** A subject, key or id: a string that every driver returns exactly as it was written. */
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
    throw invalidValue(argument, `must be an integer of at least 0, not ${describe(value)}`)
  }
  return value as number
}

/** A duration in milliseconds that a timer supports. */
export function checkMilliseconds(argument: string, value: unknown, min = 0): number {
  const ms = checkCount(argument, value)
  if (ms < min || ms > MAX_MS) throw invalidValue(argument, `must lie between ${min} and ${MAX_MS} milliseconds (24.8 days), not ${ms}`)
  return ms
}

/** An object. Arrays, Dates, Maps and similar values have no members to store. */
export function checkObject(argument: string, value: unknown): Record<string, unknown> {
  if (tagOf(value) !== 'Object') throw invalidValue(argument, `must be a plain object, not ${describe(value)}`)
  return value as Record<string, unknown>
}

/**
 * An object of caller data, as JSON serializes it: `toJSON` is applied first. An instance of a class without own
 * members is refused, since JSON would store it as `{}`.
 */
export function checkData(argument: string, value: unknown): Record<string, unknown> {
  const given = checkObject(argument, value)
  if (typeof readMember(given, 'toJSON', argument) === 'function') return checkObject(argument, toJson(given, argument))
  if (!isPlainObject(given) && namesIn(given, argument).length === 0) {
    throw invalidValue(argument, `must be a plain object, not ${describe(given)} without members of its own`)
  }
  return given
}

/** A copy of optional data, such as a filter; an empty object when it is not given. */
export function checkRecord(argument: string, value: unknown): Record<string, unknown> {
  return value === undefined || value === null ? {} : membersOf(checkData(argument, value), argument)
}

const NOTHING: object = Object.freeze(Object.create(null))

/** A copy of optional options. Members that are not `known` are refused. */
export function checkOptions<T extends object>(argument: string, value: T | undefined | null, known: Members<T>): Partial<T> {
  return value === undefined || value === null ? NOTHING as Partial<T> : checkMembers(argument, value, known)
}

/**
 * A copy of an object whose members are all `known`: a mistyped name is refused instead of being ignored. A member that
 * is undefined counts as not given.
 */
export function checkMembers<T extends object>(argument: string, value: unknown, known: Members<T>): Partial<T> {
  const object = checkObject(argument, value)
  // Only own members are checked by name. The inherited and private members of a class instance would escape the check.
  if (!isPlainObject(object)) throw invalidValue(argument, `must be a plain object, not ${describe(object)}: give { ...it }`)
  const copy = membersOf(object, argument)
  for (const name of Object.keys(copy)) {
    if (!Object.hasOwn(known, name) && copy[name] !== undefined) throw unknownMember(argument, name, Object.keys(known))
  }
  const symbol = symbolIn(object, argument)
  if (symbol) throw refusalIn(object, argument) ?? invalidValue(argument, `has a member whose name is a symbol, ${String(symbol)}: use a string`)
  return copy as Partial<T>
}

/** The error for an unknown member: it suggests the most similar known name, or lists all of them. */
export function unknownMember(argument: string, name: string, known: string[]): StoreError {
  const meant = nearest(name, known)
  return invalidValue(
    `${argument}.${name.slice(0, MAX_SHOWN_NAME)}`,
    meant === undefined ? `is not known; there are ${known.join(', ')}` : `is not known: did you mean ${meant}?`,
    meant === undefined ? {} : { nearest: meant },
  )
}

/** A copy of an array; holes are refused. */
export function checkArray(argument: string, value: unknown): unknown[] {
  if (tagOf(value) !== 'Array' || !Array.isArray(value)) throw invalidValue(argument, `must be an array, not ${describe(value)}`)
  return itemsOf(value, argument)
}

/** One of a fixed set of strings. */
export function checkWord<const T extends string>(argument: string, value: unknown, words: readonly T[]): T {
  if (!words.includes(value as T)) {
    throw invalidValue(argument, `must be one of ${words.map(word => `'${word}'`).join(', ')}, not ${describe(value)}`)
  }
  return value as T
}

export function checkFunction(argument: string, value: unknown): void {
  if (typeof value !== 'function') throw invalidValue(argument, `must be a function, not ${describe(value)}`)
}

/** An event id used as a position: any decimal integer, clamped to the range of a bigint. */
export function checkPosition(argument: string, value: unknown): string {
  const text = typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : value
  if (typeof text !== 'string' || !/^-?\d+$/.test(text)) {
    throw invalidValue(argument, `must be an event id (a decimal number), not ${describe(value)}`)
  }
  const position = BigInt(text.length > MAX_DIGITS ? text.replace(/^(-?)0+/, '$1').slice(0, MAX_DIGITS) || '0' : text)
  if (position > MAX_BIGINT) return String(MAX_BIGINT)
  return String(position < -MAX_BIGINT ? -MAX_BIGINT : position)
}

/** A position at which something is to stand from then on: 0, or an id that an event can have. */
export function checkStoredPosition(argument: string, value: unknown): string {
  const position = checkPosition(argument, value)
  const isExact = typeof value === 'number' || position === (value as string).replace(/^0+(?=\d)/, '')
  if (position.startsWith('-') || !isExact) throw invalidValue(argument, `must be an event id between 0 and ${MAX_BIGINT}, not ${String(value).slice(0, MAX_DIGITS)}`)
  return position
}

/**
 * Turns errors that a call throws synchronously into rejections. An `async` function does the same, but awaiting the
 * promise it returns costs several microtasks, which is measurable where calls are cheap.
 */
export function rejecting<A extends unknown[], R>(call: (...args: A) => Promise<R>): (...args: A) => Promise<R> {
  return (...args) => {
    try {
      return call(...args)
    }
    catch (error) {
      return Promise.reject(error as Error)
    }
  }
}
