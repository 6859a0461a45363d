import type { NamedColumn } from '../shared/identifier'
import { columnNamed, quoteIdentifier } from '../shared/identifier'
import type { ColumnCodec } from './columns'
import { columnCodecs } from './columns'
import { keyColumns } from './route'
import type { ColumnType, FieldSpec, TableSpec } from './types'

/** A field of a spec with its parsed path and its codec. */
export interface Field extends FieldSpec {
  name: string
  path: string[]
  /** The path without its last segment. Fields of the same object share one array. */
  parents: string[]
  /** The last segment of the path. */
  leaf: string
  /** The column, quoted. */
  sql: string
  codec: ColumnCodec
}

/** Maps each path segment to the index of a field, or to a subtree. */
export type FieldTree = Map<string, number | FieldTree>

/** The columns of a spec that belong to no field. */
export interface SpecColumns {
  /** In the order of `Route.keys`. */
  keys: NamedColumn[]
  id: NamedColumn
  rest: NamedColumn
}

interface CompiledSpec {
  fields: Field[]
  tree: FieldTree
  columns: SpecColumns
}

const compiledSpecs = new WeakMap<TableSpec, CompiledSpec>()

/** The fields of a spec in a fixed order, which statements, parameters and decoding share. */
export const fieldsOf = (spec: TableSpec): Field[] => compiled(spec).fields

/** The same fields as a tree of path segments. */
export const fieldTree = (spec: TableSpec): FieldTree => compiled(spec).tree

/** The other columns that statements name, quoted once here: no builder quotes a name itself. */
export const columnsOf = (spec: TableSpec): SpecColumns => compiled(spec).columns

function compiled(spec: TableSpec): CompiledSpec {
  let found = compiledSpecs.get(spec)
  if (!found) {
    const fields = readFields(spec)
    const columns = {
      keys: keyColumns(spec).map(columnNamed), id: columnNamed(spec.kind === 'index' ? spec.id : 'id'), rest: columnNamed(spec.rest),
    }
    compiledSpecs.set(spec, found = { fields, tree: growTree(fields), columns })
  }
  return found
}

function readFields(spec: TableSpec): Field[] {
  const objects = new Map<string, string[]>()
  return Object.entries(spec.fields).map(([name, field]) => {
    const path = name.split('.')
    const around = path.slice(0, -1).join('.')
    const parents = objects.get(around) ?? path.slice(0, -1)
    objects.set(around, parents)
    return { ...field, name, path, parents, leaf: path.at(-1)!, sql: quoteIdentifier(field.column), codec: columnCodecs[field.type] }
  })
}

function growTree(fields: Field[]): FieldTree {
  const tree: FieldTree = new Map()
  for (const [at, { parents, leaf }] of fields.entries()) {
    let branch = tree
    for (const segment of parents) {
      const next = branch.get(segment) ?? new Map() as FieldTree
      branch.set(segment, next)
      branch = next as FieldTree
    }
    branch.set(leaf, at)
  }
  return tree
}

export const castOf = (type: ColumnType): string => columnCodecs[type].sql

/** The path that a dotted name stands for; a name with an empty segment is a single literal key. */
export function pathOf(name: string): string[] {
  const segments = name.split('.')
  return segments.includes('') ? [name] : segments
}

/** Whether `path` begins with all of `start`. */
export function startsWith(path: string[], start: string[]): boolean {
  return start.length <= path.length && start.every((segment, at) => path[at] === segment)
}
