import { checkObject } from '../arguments'
import { invalidValue } from '../errors'
import type { Json, JsonObject } from '../json'
import { isObject, member, overlay, put, textProblem, toJson } from '../json'
import type { Row } from '../db/types'
import { codecOf } from './columns'
import type { Field } from './fields'
import { fieldsOf, pathOf } from './fields'
import type { IndexSpec } from './types'

/** What one patch does to one column. */
export type Change
  = | { action: 'keep' }
    | { action: 'assign', value: unknown }
    | { action: 'merge', value: JsonObject }

/** A merge patch, split for its table. */
export interface Patch {
  changes: Change[]
  rest: JsonObject
}

const KEEP: Change = { action: 'keep' }
const CLEAR: Change = { action: 'assign', value: null }

/**
 * Metadata as a caller gives it → the tree that is stored: JSON, dotted names at the top level expanded,
 * `version` left out because it is the store's.
 */
export function readMetadata(argument: string, metadata: unknown): JsonObject {
  const given = checkObject(argument, metadata)
  const tree: JsonObject = {}
  for (const name of Object.keys(given)) {
    if (given[name] === undefined || typeof given[name] === 'function' || typeof given[name] === 'symbol') continue
    const problem = textProblem(name)
    if (problem) throw invalidValue(`the name of ${argument}.*`, problem)
    const path = pathOf(name)
    const nested = path.reduceRight<Json>((value, segment) => {
      const parent: JsonObject = {}
      put(parent, segment, value)
      return parent
    }, toJson(given[name], `${argument}.${name}`)) as JsonObject
    overlay(tree, nested)
  }
  if ('version' in tree) delete tree.version
  return tree
}

/** Splits a tree into column values and the rest, which keeps the objects around what it gave away. */
export function splitMetadata(spec: IndexSpec, tree: JsonObject): { columns: unknown[], rest: string } {
  const columns = fieldsOf(spec).map((field) => {
    const parent = parentOf(tree, field.path)
    const leaf = field.path.at(-1)!
    const value = parent && member(parent, leaf)
    if (value === undefined || !codecOf(field).accepts(value, field)) return null
    if (!codecOf(field).keepsOriginal?.(value)) Reflect.deleteProperty(parent!, leaf)
    return codecOf(field).encode(value)
  })
  return { columns, rest: JSON.stringify(tree) }
}

/**
 * Splits a merge patch (RFC 7396): what happens to every column, and the patch for the rest. In the rest, a
 * field that a column takes over is deleted, so that no older value shines through.
 */
export function splitPatch(spec: IndexSpec, tree: JsonObject): Patch {
  const changes = fieldsOf(spec).map(field => changeOf(field, tree))
  return { changes, rest: tree }
}

function changeOf(field: Field, tree: JsonObject): Change {
  let parent = tree
  for (const segment of field.path.slice(0, -1)) {
    const next = member(parent, segment)
    if (next === undefined) return KEEP
    if (!isObject(next)) return CLEAR
    parent = next
  }
  const leaf = field.path.at(-1)!
  const value = member(parent, leaf)
  if (value === undefined) return KEEP
  const codec = codecOf(field)
  if (value === null || !codec.accepts(value, field)) return CLEAR
  if (!codec.keepsOriginal?.(value)) parent[leaf] = null
  return codec.merges
    ? { action: 'merge', value: value as JsonObject }
    : { action: 'assign', value: codec.encode(value) }
}

/** The metadata of a row; undefined for an entry that was added without. What the rest holds wins. */
export function decodeMetadata(spec: IndexSpec, row: Row): (JsonObject & { version: number }) | undefined {
  const rest = row[spec.rest]
  const values = fieldsOf(spec).filter(field => row[field.column] !== null)
  if (rest === null && values.length === 0) return undefined
  const tree = rest === null ? {} : JSON.parse(rest as string) as JsonObject
  for (const field of values) {
    const parent = parentOf(tree, field.path, true)
    const leaf = field.path.at(-1)!
    if (parent && member(parent, leaf) === undefined) put(parent, leaf, codecOf(field).decode(row[field.column]))
  }
  return Object.assign(tree, { version: Number(row.version) })
}

/** The object that holds the last segment of a path; undefined when something else is in the way. */
function parentOf(tree: JsonObject, path: string[], create = false): JsonObject | undefined {
  let parent = tree
  for (const segment of path.slice(0, -1)) {
    let next = member(parent, segment)
    if (next === undefined && create) put(parent, segment, next = {})
    if (!isObject(next)) return undefined
    parent = next
  }
  return parent
}
