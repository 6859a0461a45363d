import { checkData } from '../shared/checks'
import { invalidValue } from '../shared/errors'
import { namesIn, readMember } from '../shared/given'
import type { Json, JsonObject } from '../shared/json'
import { isObject, member, overlay, put, textProblem, toJson } from '../shared/json'
import type { Field, FieldTree } from './fields'
import { fieldTree, fieldsOf, pathOf } from './fields'
import type { IndexSpec, Row } from './types'

/** The effect of one patch on one column. */
export type Change
  = | { action: 'keep' }
    | { action: 'assign', value: unknown }
    | { action: 'merge', value: JsonObject }

/**
 * How a patch changes the rest column: `deep` merges nested objects, `flat` sets and deletes members at the top level,
 * `gone` only deletes members.
 */
export type RestForm = 'deep' | 'flat' | 'gone'

/** The shape of a patch, which determines its statement. Computed once, when the patch is split. */
export interface PatchShape {
  /** Patches with the same key have the same SQL. */
  key: string
  /** Patches of the same group can share a statement: they also delete the same members. */
  group: string
  rest: RestForm
  /** The members of the rest that are deleted, sorted. In a deep patch the nulls in `Patch.rest` mark them. */
  gone: string[]
}

/** A merge patch, split into changes of columns and a patch for the rest column. */
export interface Patch {
  changes: Change[]
  rest: JsonObject
  shape: PatchShape
}

const KEEP: Change = { action: 'keep' }
const CLEAR: Change = { action: 'assign', value: null }

/**
 * Metadata given by the caller → the tree that is stored: JSON, with dotted names at the top level expanded and without
 * `version`, which the store assigns.
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

/** Sets the value at the path of its name and merges it with an object that is already there. */
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

/** Splits a tree into column values and the rest. The rest keeps the objects around extracted members, even when empty. */
export function splitMetadata(spec: IndexSpec, tree: JsonObject): { columns: unknown[], rest: string } {
  const columns: unknown[] = fieldsOf(spec).map(() => null)
  return { columns, rest: JSON.stringify(takeColumns(fieldsOf(spec), fieldTree(spec), tree, columns)) }
}

/** Fills `columns` from a tree and returns the remaining members as a copy: deleting members of the tree would be slow. */
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
 * Splits a merge patch (RFC 7396) into the change of every column and the patch for the rest. A field that is now stored
 * in its column is deleted from the rest, because a value there has precedence when the row is decoded.
 */
export function splitPatch(spec: IndexSpec, tree: JsonObject): Patch {
  const fields = fieldsOf(spec)
  const changes: Change[] = fields.map(() => KEEP)
  const rest = takeChanges(fields, fieldTree(spec), tree, changes)
  return { changes, rest, shape: patchShape(changes, rest) }
}

/** Fills `changes` from a tree and returns the patch for the rest. */
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

/** A value that is not an object replaces all fields below it. */
function clear(branch: FieldTree, changes: Change[]): void {
  for (const next of branch.values()) {
    if (typeof next === 'number') changes[next] = CLEAR
    else clear(next, changes)
  }
}

export function patchShape(changes: Change[], rest: JsonObject): PatchShape {
  const gone: string[] = []
  let form: RestForm = 'gone'
  for (const name of Object.keys(rest)) {
    const value = rest[name]
    if (value === null) gone.push(name)
    else if (isObject(value)) form = 'deep'
    else if (form === 'gone') form = 'flat'
  }
  if (gone.length > 1) gone.sort()
  let key = ''
  for (const { action } of changes) key += action[0]
  key = `${key} ${form}`
  return { key, group: form === 'deep' ? key : `${key} ${gone.join('\0')}`, rest: form, gone }
}

/** The metadata of a row; undefined for an entry without metadata. Values in the rest have precedence over columns. */
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
    // Fields of the same object are adjacent, so its parent is looked up once.
    if (field.parents !== parents) {
      parents = field.parents
      parent = parentOf(tree, parents)
    }
    if (parent && (blank || !Object.hasOwn(parent, field.leaf))) parent[field.leaf] = field.codec.decode(raw)
  }
  if (tree) tree.version = Number(row.version)
  return tree as (JsonObject & { version: number }) | undefined
}

/** The object at a path, created where it is missing; undefined when the path leads through another kind of value. */
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
