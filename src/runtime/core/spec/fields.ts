import { columnCodecs } from './columns'
import type { ColumnType, FieldSpec, TableSpec } from './types'

/** A field of a spec with its path taken apart. */
export interface Field extends FieldSpec {
  name: string
  path: string[]
  /** The last segment of the path. */
  leaf: string
  /** A quoted name is safe in SQL; ours are plain words, `interval` among them. */
  sql: string
}

const known = new WeakMap<TableSpec, Field[]>()

/** The fields of a spec in a fixed order: statements, parameters and decoding all follow it. */
export function fieldsOf(spec: TableSpec): Field[] {
  let fields = known.get(spec)
  if (!fields) {
    fields = Object.entries(spec.fields).map(([name, field]) => {
      const path = name.split('.')
      return { ...field, name, path, leaf: path.at(-1)!, sql: `"${field.column}"` }
    })
    known.set(spec, fields)
  }
  return fields
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
