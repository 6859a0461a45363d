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
 * `path` names the value in errors.
 * @throws {StoreError} INVALID_VALUE that names the path of the part that can't be kept
 */
export function encodeJson(value: unknown, path: string): string {
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  }
  catch (error) {
    // Cycles, BigInt and a toJSON that throws: the walk knows where.
    return JSON.stringify(toJson(value, path, error))
  }
  if (text === undefined) throw invalidValue(path, `can't be kept as JSON: it is a ${typeof value}`)
  if (text.length > SUSPICIOUS_LENGTH || SUSPICIOUS.test(text)) toJson(value, path)
  return text
}

/**
 * A plain copy of a value: what `JSON.parse(JSON.stringify(value))` gives.
 * @throws {StoreError} INVALID_VALUE that names the path of the part that can't be kept
 */
export function toJson(value: unknown, path: string, cause?: unknown): Json {
  const copy = walk(value, '', path, new Set())
  if (copy === undefined) throw invalidValue(path, `can't be kept as JSON: it is a ${typeof value}`)
  if (cause !== undefined) throw new StoreError('INVALID_VALUE', `${path} can't be kept as JSON: ${messageOf(cause)}`, { cause, details: { argument: path } })
  return copy
}

function walk(input: unknown, name: string, path: string, ancestors: Set<unknown>): Json | undefined {
  const value = unbox(input, name, path)
  switch (typeof value) {
    case 'string': return checkText(value, path)
    case 'boolean': return value
    case 'number':
      if (!Number.isFinite(value)) throw invalidValue(path, `is ${value}, which JSON can't hold`)
      return value
    case 'bigint': throw invalidValue(path, 'is a BigInt, which JSON can\'t hold: store it as a text')
    case 'object': break
    default: return undefined
  }
  if (value === null) return null
  if (ancestors.has(value)) throw invalidValue(path, 'refers to itself, which JSON can\'t hold')
  if (ancestors.size >= MAX_DEPTH) throw invalidValue(path.slice(0, 60), `is nested more than ${MAX_DEPTH} levels deep`)
  ancestors.add(value)
  const copy = Array.isArray(value)
    ? value.map((item, at) => walk(item, String(at), `${path}.${at}`, ancestors) ?? null)
    : walkMembers(value, path, ancestors)
  ancestors.delete(value)
  return copy
}

function walkMembers(value: object, path: string, ancestors: Set<unknown>): JsonObject {
  const copy: JsonObject = {}
  for (const name of Object.keys(value)) {
    const memberPath = `${path}.${name}`
    const item = walk((value as Record<string, unknown>)[name], name, memberPath, ancestors)
    if (item !== undefined) put(copy, checkText(name, `the name of ${path}.*`), item)
  }
  return copy
}

/** What JSON.stringify does first: `toJSON`, then boxed primitives. */
function unbox(value: unknown, name: string, path: string): unknown {
  if (typeof value !== 'object' || value === null) return value
  let result: unknown = value
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function') {
    try {
      result = (value as { toJSON(name: string): unknown }).toJSON(name)
    }
    catch (cause) {
      throw new StoreError('INVALID_VALUE', `${path} can't be kept as JSON: its toJSON failed (${messageOf(cause)})`, { cause, details: { argument: path } })
    }
  }
  return result instanceof Number || result instanceof String || result instanceof Boolean ? result.valueOf() : result
}

function checkText(text: string, path: string): string {
  const problem = textProblem(text)
  if (problem) throw invalidValue(path, problem)
  return text
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
