import { invalidValue, messageOf } from './errors'
import { describe, isPlainObject, tagOf, unreadable } from './given'

export type JsonObject = { [member: string]: Json }
export type Json = string | number | boolean | null | Json[] | JsonObject

const MAX_DEPTH = 500
// Longest array that may have holes.
const MAX_HOLLOW = 100_000
// Output of JSON.stringify that needs a closer look at the value: escapes that PostgreSQL can't store, and `null`,
// which may stand for NaN or Infinity.
const SUSPICIOUS = /\\u0000|\\ud[89a-f]|null/
// Their contents are not members: JSON.stringify writes `{}`, or only properties that were added to them.
const WITHOUT_MEMBERS = new Set([
  'Map', 'Set', 'WeakMap', 'WeakSet', 'WeakRef', 'Promise', 'RegExp', 'Error', 'ArrayBuffer', 'SharedArrayBuffer', 'Arguments', 'Generator',
  'AsyncGenerator',
])

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Sets an own member of any name. `__proto__` becomes an own member too and does not change the prototype. */
export function put(target: JsonObject, name: string, value: Json): void {
  if (name === '__proto__') {
    Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true })
  }
  else {
    target[name] = value
  }
}

/** An own member; inherited members are ignored. */
export function member(target: JsonObject, name: string): Json | undefined {
  return Object.hasOwn(target, name) ? target[name] : undefined
}

/**
 * JSON of a value that PostgreSQL stores without change.
 * `path` names the value in errors or, when `name` is given, the object whose member it is.
 * @throws {StoreError} INVALID_VALUE that names the path of the part that can't be stored
 */
export function encodeJson(value: unknown, path: string, name?: string): string {
  return plainText(value, { path, name }) ?? JSON.stringify(toJson(value, path, name))
}

/**
 * A plain copy of a value: what `JSON.parse(JSON.stringify(value))` gives.
 * `path` names the value in errors or, when `name` is given, the object whose member it is.
 * @throws {StoreError} INVALID_VALUE that names the path of the part that can't be stored
 */
export function toJson(value: unknown, path: string, name?: string): Json {
  const copy = walk(value, '', { path, name, objects: [], names: [] })
  if (copy === undefined) throw invalidValue(rootOf({ path, name }), `can't be kept as JSON: it is ${describe(value)}`)
  return copy
}

/** The fast path: output of JSON.stringify for plain data. Undefined when `walk` has to convert the value or find the path of an error. */
function plainText(value: unknown, root: Root): string | undefined {
  try {
    if (!isPlain(value)) return undefined
    const text = JSON.stringify(value)
    return text === undefined || SUSPICIOUS.test(text) ? undefined : text
  }
  catch (cause) {
    // No walk: copying the value would need the same amount of memory once more.
    if (messageOf(cause) === 'Invalid string length') throw invalidValue(rootOf(root), 'is too large to be written as JSON', {}, cause)
    return undefined
  }
}

/** Whether a value consists of plain objects, arrays and primitives only, so that JSON.stringify represents all of it. */
export function isPlain(value: unknown, depth = 0): boolean {
  if (typeof value === 'function' || typeof value === 'bigint') return false
  if (typeof value !== 'object' || value === null) return true
  if (depth >= MAX_DEPTH) return false
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) if (value[at] === undefined || !isPlain(value[at], depth + 1)) return false
    return Object.getPrototypeOf(value) === Array.prototype
  }
  if (Object.getPrototypeOf(value) !== Object.prototype) return false
  for (const name in value) if (!isPlain((value as Record<string, unknown>)[name], depth + 1)) return false
  return true
}

interface Root {
  path: string
  name: string | undefined
}

/** The current position of a walk: the enclosing objects and their names. The path is only built for errors. */
interface Trail extends Root {
  objects: object[]
  names: string[]
}

const rootOf = ({ path, name }: Root): string => name === undefined ? path : `${path}.${name}`

function pathOf(trail: Trail, name: string): string {
  return trail.objects.length === 0 ? rootOf(trail) : [rootOf(trail), ...trail.names.slice(1), name].join('.')
}

function walk(input: unknown, name: string, trail: Trail): Json | undefined {
  const value = (typeof input === 'object' && input !== null) || typeof input === 'bigint' ? unbox(input, name, trail) : input
  switch (typeof value) {
    case 'string': {
      const problem = textProblem(value)
      if (problem) throw invalidValue(pathOf(trail, name), problem)
      return value
    }
    case 'boolean': return value
    case 'number':
      if (!Number.isFinite(value)) throw invalidValue(pathOf(trail, name), `is ${value}, which JSON can't hold`)
      return value
    case 'bigint': throw invalidValue(pathOf(trail, name), 'is a BigInt, which JSON can\'t hold: store it as a string')
    case 'object': return value && walkObject(value, name, trail)
    default: return undefined
  }
}

function walkObject(value: object, name: string, trail: Trail): Json {
  const { objects, names } = trail
  if (objects.includes(value)) throw invalidValue(pathOf(trail, name), 'refers to itself, which JSON can\'t hold')
  if (objects.length >= MAX_DEPTH) throw invalidValue(pathOf(trail, name).slice(0, 60), `is nested more than ${MAX_DEPTH} levels deep`)
  const kept = keptNames(value, name, trail)
  objects.push(value)
  names.push(name)
  const copy = kept === undefined ? walkItems(value as unknown[], trail) : walkMembers(value, kept, trail)
  objects.pop()
  names.pop()
  return copy
}

/** The names of the members that JSON keeps; undefined for an array. */
function keptNames(value: object, name: string, trail: Trail): string[] | undefined {
  let names: string[]
  try {
    if (Array.isArray(value)) return undefined
    names = Object.keys(value)
    if (isPlainObject(value)) return names
  }
  catch (cause) {
    throw unreadable(pathOf(trail, name), cause)
  }
  if (names.length === 0 || WITHOUT_MEMBERS.has(tagOf(value)) || ArrayBuffer.isView(value)) {
    throw invalidValue(pathOf(trail, name), `is ${describe(value)}, and JSON would not keep what is in it: give a plain object, an array or a string made of it`)
  }
  return names
}

function walkItems(items: unknown[], trail: Trail): Json[] {
  const copy: Json[] = []
  const length = read(items, 'length', trail) as number
  for (let at = 0; at < length; at++) {
    const item = read(items, String(at), trail)
    // JSON writes a hole as null. A single item can make an array 2³² long, which would exhaust the memory.
    if (item === undefined && length > MAX_HOLLOW && !Object.hasOwn(items, at)) throw invalidValue(pathOf(trail, String(at)), `is a hole in an array of ${length}`)
    copy.push(walk(item, String(at), trail) ?? null)
  }
  return copy
}

function walkMembers(value: object, names: string[], trail: Trail): JsonObject {
  const copy: JsonObject = {}
  for (const name of names) {
    const item = walk(read(value, name, trail), name, trail)
    if (item === undefined) continue
    const problem = textProblem(name)
    if (problem) throw invalidValue(`the name of ${pathOf(trail, '*')}`, problem)
    put(copy, name, item)
  }
  return copy
}

function read(value: object, name: string, trail: Trail): unknown {
  try {
    return (value as Record<string, unknown>)[name]
  }
  catch (cause) {
    throw unreadable(pathOf(trail, name), cause)
  }
}

/** The conversions that JSON.stringify applies first: `toJSON`, then unboxing of primitives. */
function unbox(value: object | bigint, name: string, trail: Trail): unknown {
  let result: unknown = value
  try {
    const { toJSON } = value as { toJSON?: unknown }
    if (typeof toJSON === 'function') result = (value as { toJSON(name: string): unknown }).toJSON(name)
    if (result instanceof Number || result instanceof String || result instanceof Boolean) result = result.valueOf()
  }
  catch (cause) {
    throw unreadable(pathOf(trail, name), cause)
  }
  if (result === null && tagOf(value) === 'Date') throw invalidValue(pathOf(trail, name), 'is an invalid Date, which JSON can\'t hold')
  return result
}

/** Why PostgreSQL can't store a string; undefined when it can. */
export function textProblem(text: string): string | undefined {
  if (text.includes('\0')) return 'holds the character \\u0000, which PostgreSQL can\'t store'
  if (!text.isWellFormed()) return 'holds half a surrogate pair, which is not valid Unicode'
  return undefined
}

/** PGlite drops a byte order mark at the start of a `text` value it reads. Inside JSON it is safe. */
export const startsWithMark = (text: string): boolean => text.charCodeAt(0) === 0xFEFF

/**
 * Merges `source` into `target` in place: objects are merged recursively, all other values replace. Not RFC 7396: `null`
 * is stored, since this joins parts of one value.
 */
export function overlay(target: JsonObject, source: JsonObject): JsonObject {
  for (const name of Object.keys(source)) {
    const value = source[name]!
    const current = member(target, name)
    put(target, name, isObject(current) && isObject(value) ? overlay(current, value) : value)
  }
  return target
}
