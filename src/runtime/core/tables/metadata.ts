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

/** How a patch changes the rest: merged into it, its members put there or deleted, or nothing but deleted. */
export type RestForm = 'deep' | 'flat' | 'gone'

/** What decides the statement of a patch: worked out once, when the patch is split. */
export interface PatchShape {
  /** Patches of one key have the same SQL. */
  key: string
  /** Patches of one group can share a statement: they delete the same members, too. */
  group: string
  rest: RestForm
  /** The members of the rest that are deleted, in order. A deep patch says so itself. */
  gone: string[]
}

/** A merge patch, split for its table. */
export interface Patch {
  changes: Change[]
  rest: JsonObject
  shape: PatchShape
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
  const fields = fieldsOf(spec)
  const changes: Change[] = fields.map(() => KEEP)
  const rest = takeChanges(fields, fieldTree(spec), tree, changes)
  return { changes, rest, shape: patchShape(changes, rest) }
}

/** Fills the changes from a tree, and gives back the patch for the rest. */
function takeChanges(fields: Field[], branch: FieldTree, tree: JsonObject, changes: Change[]): JsonObject {
  const rest: JsonObject = {}
  for (const name of Object.keys(tree)) {
    let value: Json = tree[name]!
    const next = branch.get(name)
    if (typeof next === 'number') {
      const field = fields[next]!
      changes[next] = changeOf(field, value)
      if (changes[next] !== CLEAR && !field.codec.keepsOriginal?.(value)) value = null
    }
    else if (next) {
      if (isObject(value)) value = takeChanges(fields, next, value, changes)
      else clear(next, changes)
    }
    put(rest, name, value)
  }
  return rest
}

function changeOf(field: Field, value: Json): Change {
  const { codec } = field
  if (value === null || !codec.accepts(value, field)) return CLEAR
  return codec.merges ? { action: 'merge', value: value as JsonObject } : { action: 'assign', value: codec.encode(value) }
}

/** Something else than an object takes the place of all fields below it. */
function clear(branch: FieldTree, changes: Change[]): void {
  for (const next of branch.values()) {
    if (typeof next === 'number') changes[next] = CLEAR
    else clear(next, changes)
  }
}

export function patchShape(changes: Change[], rest: JsonObject): PatchShape {
  const names = Object.keys(rest)
  const gone = names.filter(name => rest[name] === null).sort()
  let form: RestForm = gone.length === names.length ? 'gone' : 'flat'
  if (names.some(name => isObject(rest[name]))) form = 'deep'
  const key = `${changes.map(({ action }) => action[0]).join('')} ${form}`
  return { key, group: form === 'deep' ? key : `${key} ${gone.join('\0')}`, rest: form, gone }
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
