import { checkData } from '../shared/checks'
import { invalidValue } from '../shared/errors'
import { namesIn, readMember } from '../shared/given'
import type { Json, JsonObject } from '../shared/json'
import { isObject, member, overlay, put, textProblem, toJson } from '../shared/json'
import type { Field, FieldTree } from './fields'
import { fieldTree, fieldsOf, pathOf } from './fields'
import type { IndexSpec, Row } from './types'

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
  const given = checkData(argument, metadata)
  const tree: JsonObject = {}
  for (const name of namesIn(given, argument)) {
    const value = readMember(given, name, argument)
    if (value === undefined || typeof value === 'function' || typeof value === 'symbol') continue
    const problem = textProblem(name)
    if (problem) throw invalidValue(`the name of ${argument}.*`, problem)
    putPath(tree, name, toJson(value, argument, name))
  }
  if ('version' in tree) delete tree.version
  return tree
}

/** A value where its name leads, joined with what is there already. */
function putPath(tree: JsonObject, name: string, value: Json): void {
  if (name.includes('.')) {
    const path = pathOf(name)
    overlay(tree, path.reduceRight<Json>((inner, segment) => {
      const parent: JsonObject = {}
      put(parent, segment, inner)
      return parent
    }, value) as JsonObject)
  }
  else {
    const current = isObject(value) ? member(tree, name) : undefined
    put(tree, name, isObject(current) ? overlay(current, value as JsonObject) : value)
  }
}

/** Splits a tree into column values and the rest, which keeps the objects around what it gave away. */
export function splitMetadata(spec: IndexSpec, tree: JsonObject): { columns: unknown[], rest: string } {
  const columns: unknown[] = fieldsOf(spec).map(() => null)
  return { columns, rest: JSON.stringify(takeColumns(fieldsOf(spec), fieldTree(spec), tree, columns)) }
}

/** Fills the columns from a tree, and gives back what is left: to delete members of the tree would be slow. */
function takeColumns(fields: Field[], branch: FieldTree, tree: JsonObject, columns: unknown[]): JsonObject {
  const left: JsonObject = {}
  for (const name of Object.keys(tree)) {
    const value = tree[name]!
    const next = branch.get(name)
    if (typeof next === 'number') {
      const field = fields[next]!
      const { codec } = field
      if (codec.accepts(value, field)) {
        columns[next] = codec.encode(value)
        if (!codec.keepsOriginal?.(value)) continue
      }
    }
    put(left, name, next instanceof Map && isObject(value) ? takeColumns(fields, next, value, columns) : value)
  }
  return left
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
  for (const segment of field.parents) {
    const next = member(parent, segment)
    if (next === undefined) return KEEP
    if (!isObject(next)) return CLEAR
    parent = next
  }
  const { leaf, codec } = field
  const value = member(parent, leaf)
  if (value === undefined) return KEEP
  if (value === null || !codec.accepts(value, field)) return CLEAR
  if (!codec.keepsOriginal?.(value)) parent[leaf] = null
  return codec.merges
    ? { action: 'merge', value: value as JsonObject }
    : { action: 'assign', value: codec.encode(value) }
}

/** The metadata of a row; undefined for an entry that was added without. What the rest holds wins. */
export function decodeMetadata(spec: IndexSpec, row: Row): (JsonObject & { version: number }) | undefined {
  const rest = row[spec.rest] as string | null
  const blank = rest === null || rest === '{}'
  let tree: JsonObject | undefined
  if (rest !== null) tree = blank ? {} : JSON.parse(rest) as JsonObject
  let parents: string[] | undefined
  let parent: JsonObject | undefined
  for (const field of fieldsOf(spec)) {
    const raw = row[field.column]
    if (raw === null) continue
    tree ??= {}
    // Fields of one object follow each other.
    if (field.parents !== parents) {
      parents = field.parents
      parent = parentOf(tree, parents)
    }
    if (parent && (blank || !Object.hasOwn(parent, field.leaf))) parent[field.leaf] = field.codec.decode(raw)
  }
  if (tree) tree.version = Number(row.version)
  return tree as (JsonObject & { version: number }) | undefined
}

/** The object at a path, made where nothing is; undefined when something else is in the way. */
function parentOf(tree: JsonObject, path: string[]): JsonObject | undefined {
  let parent = tree
  for (const segment of path) {
    let next = member(parent, segment)
    if (next === undefined) put(parent, segment, next = {})
    if (!isObject(next)) return undefined
    parent = next
  }
  return parent
}
