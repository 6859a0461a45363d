import { isObject, own, put } from './json'
import type { Json, JsonObject } from './json'

/** RFC 7396, word for word. */
export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch
  const result: JsonObject = {}
  const before = isObject(target) ? target : {}
  for (const name of Object.keys(before)) if (own(patch, name) !== null) put(result, name, before[name]!)
  for (const name of Object.keys(patch)) {
    const value = patch[name]!
    if (value !== null) put(result, name, mergePatch(own(result, name), value))
  }
  return result
}

/** A dotted path; a key with an empty segment is one literal name. */
export function segments(path: string): string[] {
  const parts = path.split('.')
  return parts.includes('') ? [path] : parts
}

/** Joins two values: objects member by member, everything else (null too) replaces. */
function join(there: Json | undefined, value: Json): Json {
  if (!isObject(there) || !isObject(value)) return value
  const result = mergePatch(there, {}) as JsonObject
  for (const name of Object.keys(value)) put(result, name, join(own(there, name), value[name]!))
  return result
}

/** Dotted keys of the top level become nested ones, in the order given, merging into what is there already. */
export function expand(object: JsonObject): JsonObject {
  let result: JsonObject = {}
  for (const key of Object.keys(object)) {
    let nested: Json = object[key]!
    for (const name of segments(key).reverse()) {
      const parent: JsonObject = {}
      put(parent, name, nested)
      nested = parent
    }
    result = join(result, nested) as JsonObject
  }
  return result
}

/** What is at a path; walks objects only. */
export function lookUp(object: JsonObject, path: string[]): Json | undefined {
  let value: Json | undefined = object
  for (const name of path) value = isObject(value) ? own(value, name) : undefined
  return value
}
