import type { NamedColumn } from '../shared/identifier'
import { columnNamed, quoteIdentifier } from '../shared/identifier'
import type { ColumnCodec } from './columns'
import { columnCodecs } from './columns'
import { keyColumns } from './route'
import type { ColumnType, FieldSpec, TableSpec } from './types'

/** A field of a spec with its path taken apart. */
export interface Field extends FieldSpec {
  name: string
  path: string[]
  /** The path without its last segment; one array for all fields that lie in the same object. */
  parents: string[]
  /** The last segment of the path. */
  leaf: string
  /** The column, quoted. */
  sql: string
  codec: ColumnCodec
}

/** Where a member of a tree leads: to the field at that place, or further down. */
export type FieldTree = Map<string, number | FieldTree>

/** The columns of a spec that belong to no field, as statements name them. */
export interface SpecColumns {
  /** In the order in which a route gives their values. */
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

/** The fields of a spec in a fixed order: statements, parameters and decoding all follow it. */
export const fieldsOf = (spec: TableSpec): Field[] => compiled(spec).fields

/** The same fields, by the segments of their paths. */
export const fieldTree = (spec: TableSpec): FieldTree => compiled(spec).tree

/** Everything else that a statement names. No builder quotes a name itself. */
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

/** A dotted name as the path it means; a name with an empty segment is one literal key. */
export function pathOf(name: string): string[] {
  const segments = name.split('.')
  return segments.includes('') ? [name] : segments
}

/** Whether `path` begins with all of `start`. */
export function startsWith(path: string[], start: string[]): boolean {
  return start.length <= path.length && start.every((segment, at) => path[at] === segment)
}
