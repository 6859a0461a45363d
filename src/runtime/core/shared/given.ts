import { invalidValue, messageOf } from './errors'
import type { StoreError } from './errors'

/**
 * Reads what a caller gave. Getters and proxies run the caller's code, and a revoked proxy can't even be asked whether
 * it is an array: what they throw becomes an INVALID_VALUE that names the path.
 */

const MAX_SHOWN = 40

/** `Object`, `Array`, `Map` …, as the language names it; `object` when even that can't be read. */
export function tagOf(value: unknown): string {
  try {
    return Object.prototype.toString.call(value).slice(8, -1)
  }
  catch {
    return 'object'
  }
}

/** A value, short enough for a message. Anything can be described. */
export function describe(value: unknown): string {
  switch (typeof value) {
    case 'string': return JSON.stringify(value.length > MAX_SHOWN ? `${value.slice(0, MAX_SHOWN)}…` : value)
    case 'number':
    case 'boolean':
    case 'undefined': return String(value)
    case 'object': return value === null ? 'null' : withArticle(kindOf(value))
    default: return `a ${typeof value}`
  }
}

/** An object whose members are its own: made by a literal, by JSON.parse, or without a prototype, in any realm. */
export function isPlainObject(value: object): boolean {
  try {
    const prototype: unknown = Object.getPrototypeOf(value)
    return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null
  }
  catch {
    return false
  }
}

/** The class of an object where it says so, or its tag. */
function kindOf(value: object): string {
  const tag = tagOf(value)
  try {
    return (tag === 'Object' && !isPlainObject(value) && value.constructor.name) || tag
  }
  catch {
    return tag
  }
}

/** The names of an object's own members. */
export function namesIn(value: object, path: string): string[] {
  try {
    return Object.keys(value)
  }
  catch (cause) {
    throw unreadable(path, cause)
  }
}

/** A symbol that it has as a member of its own. */
export function symbolIn(value: object, path: string): symbol | undefined {
  try {
    return Object.getOwnPropertySymbols(value).find(symbol => Object.prototype.propertyIsEnumerable.call(value, symbol))
  }
  catch (cause) {
    throw unreadable(path, cause)
  }
}

export function readMember(value: object, name: string, path: string): unknown {
  try {
    return (value as Record<string, unknown>)[name]
  }
  catch (cause) {
    throw unreadable(`${path}.${name}`, cause)
  }
}

/** A copy of its own members, each of which is read once. It has no prototype, so nothing in it is inherited. */
export function membersOf(value: object, path: string): Record<string, unknown> {
  const copy = Object.create(null) as Record<string, unknown>
  for (const name of namesIn(value, path)) copy[name] = readMember(value, name, path)
  return copy
}

/** The items of an array, each of which is read once; a hole is no item. */
export function itemsOf(value: unknown[], path: string): unknown[] {
  const items: unknown[] = []
  try {
    for (let at = 0; at < value.length && at in value; at++) items.push(value[at])
    if (items.length === value.length) return items
  }
  catch (cause) {
    throw unreadable(`${path}.${items.length}`, cause)
  }
  throw invalidValue(`${path}.${items.length}`, 'is a hole in the array')
}

export function unreadable(path: string, cause: unknown): StoreError {
  return invalidValue(path, `could not be read: ${messageOf(cause)}`, {}, cause)
}

const withArticle = (noun: string) => `${/^[aeio]/i.test(noun) ? 'an' : 'a'} ${noun === 'Array' || noun === 'Object' ? noun.toLowerCase() : noun}`
