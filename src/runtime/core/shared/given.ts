import { invalidValue, messageOf } from './errors'
import type { StoreError } from './errors'

/**
 * Reads values given by the caller. Getters and proxies run the caller's code, and even `Array.isArray` throws for a
 * revoked proxy: whatever they throw becomes an INVALID_VALUE error that names the path.
 */

const MAX_SHOWN = 40

/** `Object`, `Array`, `Map` …, from `Object.prototype.toString`; `object` when that throws. */
export function tagOf(value: unknown): string {
  try {
    return Object.prototype.toString.call(value).slice(8, -1)
  }
  catch {
    return 'object'
  }
}

/** A short description of any value for an error message. Never throws. */
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

/** Whether an object comes from a literal, from JSON.parse, or has no prototype; objects of other realms count. */
export function isPlainObject(value: object): boolean {
  try {
    const prototype: unknown = Object.getPrototypeOf(value)
    return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null
  }
  catch {
    return false
  }
}

/** The class name of an object if it has one, otherwise its tag. */
function kindOf(value: object): string {
  const tag = tagOf(value)
  try {
    return (tag === 'Object' && !isPlainObject(value) && value.constructor.name) || tag
  }
  catch {
    return tag
  }
}

/** The names of an object's own enumerable members. */
export function namesIn(value: object, path: string): string[] {
  try {
    return Object.keys(value)
  }
  catch (cause) {
    throw unreadable(path, cause)
  }
}

/** The first own enumerable member whose name is a symbol, if any. */
export function symbolIn(value: object, path: string): symbol | undefined {
  try {
    return Object.getOwnPropertySymbols(value).find(symbol => Object.prototype.propertyIsEnumerable.call(value, symbol))
  }
  catch (cause) {
    throw unreadable(path, cause)
  }
}

export function readMember(value: object, name: string | symbol, path: string): unknown {
  try {
    return (value as Record<string | symbol, unknown>)[name]
  }
  catch (cause) {
    throw unreadable(`${path}.${String(name)}`, cause)
  }
}

/** A copy of an object's own members. Each member is read once; the copy has no prototype and so inherits nothing. */
export function membersOf(value: object, path: string): Record<string, unknown> {
  const copy = Object.create(null) as Record<string, unknown>
  for (const name of namesIn(value, path)) copy[name] = readMember(value, name, path)
  return copy
}

/** A copy of an array. Each item is read once; a hole is refused. */
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
