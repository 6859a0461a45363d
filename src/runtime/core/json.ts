import { StoreError, invalidValue, messageOf } from './errors'

export type JsonObject = { [member: string]: Json }
export type Json = string | number | boolean | null | Json[] | JsonObject

const MAX_DEPTH = 500
// What a text that JSON.stringify made holds when the value may be something else than it looks like: escapes
// PostgreSQL can't store, and null where NaN or Infinity may have been. Depth needs length.
const SUSPICIOUS = /\\u0000|\\ud[89a-f]|null/
const SUSPICIOUS_LENGTH = MAX_DEPTH * 2

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Sets an own member whatever its name is: `__proto__` is a name like any other here. */
export function put(target: JsonObject, name: string, value: Json): void {
  if (name === '__proto__') {
    Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true })
  }
  else {
    target[name] = value
  }
}

/** An own member; what is inherited does not count. */
export function member(target: JsonObject, name: string): Json | undefined {
  return Object.hasOwn(target, name) ? target[name] : undefined
}

/**
 * JSON text of a value, as PostgreSQL can hold it without change.
 * `path` names the value in errors, or what it is the member `name` of.
 * @throws {StoreError} INVALID_VALUE that names the path of the part that can't be kept
 */
export function encodeJson(value: unknown, path: string, name?: string): string {
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  }
  catch (cause) {
    // Cycles, BigInt and a toJSON that throws: the walk knows where.
    toJson(value, path, name)
    const argument = rootOf({ path, name })
    throw new StoreError('INVALID_VALUE', `${argument} can't be kept as JSON: ${messageOf(cause)}`, { cause, details: { argument } })
  }
  if (text === undefined) throw notJson(value, { path, name })
  if (text.length > SUSPICIOUS_LENGTH || SUSPICIOUS.test(text)) toJson(value, path, name)
  return text
}

/**
 * A plain copy of a value: what `JSON.parse(JSON.stringify(value))` gives.
 * `path` names the value in errors, or what it is the member `name` of.
 * @throws {StoreError} INVALID_VALUE that names the path of the part that can't be kept
 */
export function toJson(value: unknown, path: string, name?: string): Json {
  const copy = walk(value, '', { path, name, objects: [], names: [] })
  if (copy === undefined) throw notJson(value, { path, name })
  return copy
}

interface Root {
  path: string
  name: string | undefined
}

/** Where a walk is: the objects around a value and their names. Its path is only written for an error. */
interface Trail extends Root {
  objects: object[]
  names: string[]
}

const rootOf = ({ path, name }: Root): string => name === undefined ? path : `${path}.${name}`

function pathOf(trail: Trail, name: string): string {
  return trail.objects.length === 0 ? rootOf(trail) : [rootOf(trail), ...trail.names.slice(1), name].join('.')
}

function notJson(value: unknown, root: Root): StoreError {
  return invalidValue(rootOf(root), `can't be kept as JSON: it is a ${typeof value}`)
}

function walk(input: unknown, name: string, trail: Trail): Json | undefined {
  const value = typeof input === 'object' && input !== null ? unbox(input, name, trail) : input
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
    case 'bigint': throw invalidValue(pathOf(trail, name), 'is a BigInt, which JSON can\'t hold: store it as a text')
    case 'object': return value && walkObject(value, name, trail)
    default: return undefined
  }
}

function walkObject(value: object, name: string, trail: Trail): Json {
  const { objects, names } = trail
  if (objects.includes(value)) throw invalidValue(pathOf(trail, name), 'refers to itself, which JSON can\'t hold')
  if (objects.length >= MAX_DEPTH) throw invalidValue(pathOf(trail, name).slice(0, 60), `is nested more than ${MAX_DEPTH} levels deep`)
  objects.push(value)
  names.push(name)
  const copy = Array.isArray(value) ? walkItems(value, trail) : walkMembers(value as Record<string, unknown>, trail)
  objects.pop()
  names.pop()
  return copy
}

function walkItems(items: unknown[], trail: Trail): Json[] {
  const copy: Json[] = []
  for (let at = 0; at < items.length; at++) copy.push(walk(items[at], String(at), trail) ?? null)
  return copy
}

function walkMembers(value: Record<string, unknown>, trail: Trail): JsonObject {
  const copy: JsonObject = {}
  for (const name of Object.keys(value)) {
    const item = walk(value[name], name, trail)
    if (item === undefined) continue
    const problem = textProblem(name)
    if (problem) throw invalidValue(`the name of ${pathOf(trail, '*')}`, problem)
    put(copy, name, item)
  }
  return copy
}

/** What JSON.stringify does first: `toJSON`, then boxed primitives. */
function unbox(value: object, name: string, trail: Trail): unknown {
  let result: unknown = value
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function') {
    try {
      result = (value as { toJSON(name: string): unknown }).toJSON(name)
    }
    catch (cause) {
      const path = pathOf(trail, name)
      throw new StoreError('INVALID_VALUE', `${path} can't be kept as JSON: its toJSON failed (${messageOf(cause)})`, { cause, details: { argument: path } })
    }
  }
  return result instanceof Number || result instanceof String || result instanceof Boolean ? result.valueOf() : result
}

/** Why PostgreSQL can't hold a text; undefined when it can. */
export function textProblem(text: string): string | undefined {
  if (text.includes('\0')) return 'holds the character \\u0000, which PostgreSQL can\'t store'
  if (!text.isWellFormed()) return 'holds half a surrogate pair, which is not valid Unicode'
  return undefined
}

/** PGlite drops a byte order mark at the start of a text it reads. Inside JSON text it is safe. */
export const startsWithMark = (text: string): boolean => text.charCodeAt(0) === 0xFEFF

/**
 * Merges a patch into a target in place, object by object; everything else replaces.
 * With `null` kept: this joins parts of one value, it is not RFC 7396.
 */
export function overlay(target: JsonObject, source: JsonObject): JsonObject {
  for (const name of Object.keys(source)) {
    const value = source[name]!
    const current = member(target, name)
    put(target, name, isObject(current) && isObject(value) ? overlay(current, value) : value)
  }
  return target
}
