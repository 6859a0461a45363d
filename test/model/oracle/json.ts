/** What the store answers with a StoreError of this code. */
export class Refusal extends Error {
  constructor(readonly code: 'INVALID_VALUE' | 'NOT_FOUND', message: string) {
    super(message)
  }
}

export type Json = null | boolean | number | string | Json[] | JsonObject
export interface JsonObject { [member: string]: Json }

export function refuse(problem: string): never {
  throw new Refusal('INVALID_VALUE', problem)
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export const isPlain = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null
  && (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null)

/** `object[name] = value` without the trap that `__proto__` is. */
export function put(object: JsonObject, name: string, value: Json): void {
  Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true })
}

export function own(object: JsonObject, name: string): Json | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined
}

export function sameJson(a: Json, b: Json): boolean {
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, at) => sameJson(item, b[at]!))
  }
  if (isObject(a) && isObject(b)) {
    const names = Object.keys(a)
    return names.length === Object.keys(b).length
      && names.every(name => Object.hasOwn(b, name) && sameJson(a[name]!, b[name]!))
  }
  return a === b
}

/** Text PostgreSQL can hold. */
export function checkText(text: string): void {
  if (text.includes('\0') || !text.isWellFormed()) refuse('text')
}

/** A subject, key, entry id, event type. */
export function checkName(name: unknown, bytes = 1024): asserts name is string {
  if (typeof name !== 'string' || name === '' || Buffer.byteLength(name) > bytes) refuse('name')
  checkText(name)
}

export function checkNumber(value: unknown): asserts value is number {
  if (typeof value !== 'number' || !Number.isFinite(value)) refuse('number')
}

/** What JSON keeps of a value; undefined when that is nothing. What JSON would silently change is refused. */
export function stored(value: unknown): Json | undefined {
  if (typeof value === 'function' || typeof value === 'symbol') refuse('no value')
  let text: string | undefined
  try {
    text = JSON.stringify(value, (name, member: unknown) => {
      checkText(name)
      if (typeof member === 'string') checkText(member)
      if (typeof member === 'number') checkNumber(member)
      return member
    })
  }
  catch (error) {
    // a cycle or a BigInt
    if (error instanceof TypeError) refuse(error.message)
    throw error
  }
  return text === undefined ? undefined : JSON.parse(text) as Json
}

export function copy<T extends Json | undefined>(value: T): T {
  return value === undefined ? value : JSON.parse(JSON.stringify(value)) as T
}
