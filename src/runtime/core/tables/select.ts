import type { NamedColumn } from '../shared/identifier'
import { isGlob, literalStart } from '../shared/glob'
import { columnsOf } from './fields'
import type { Route } from './route'
import { createRouter, patternOf, subjectPrefixOf } from './route'
import type { StreamSpec } from './types'

/** One part of a subject's SQL expression: a constant string or a column. */
export type SubjectPart = { text: string } | { column: NamedColumn }

/** A table that may hold events of the selected subjects. */
export interface Selection {
  spec: StreamSpec
  subject: SubjectPart[]
  /** The selected subjects of this table; undefined for all of them. */
  wanted?: { routes: Route<StreamSpec>[], globs: string[] }
}

export type Select = (subjects?: readonly string[]) => Selection[]

/** Creates the function that finds the tables holding the events of subjects and globs. */
export function createSelect(specs: StreamSpec[], subjectPrefix: string): Select {
  const route = createRouter(specs, subjectPrefix)
  const tables = specs.map(spec => ({ spec, subject: subjectParts(spec, subjectPrefix) }))
  return (subjects) => {
    if (!subjects || subjects.includes('*')) return tables
    const globs = subjects.filter(isGlob)
    const routes = subjects.filter(subject => !isGlob(subject)).map(route)
    return tables.flatMap((table) => {
      const wanted = {
        routes: routes.filter(({ spec }) => spec === table.spec),
        globs: globs.filter(glob => mayHold(table.subject, glob)),
      }
      return wanted.routes.length + wanted.globs.length > 0 ? [{ ...table, wanted }] : []
    })
  }
}

/**
 * The partition keys that subjects matching a glob can have: a list and possibly a range, whose end is exclusive.
 * Undefined when any key is possible. A subject whose first segments are not plain names has the empty key.
 */
export function partitionsOf(glob: string): { keys: string[], from?: string, to?: string } | undefined {
  const start = literalStart(glob)
  const segments = start.split(':').length - 1
  if (segments === 0) return undefined
  if (segments > 1) return { keys: [subjectPrefixOf(`${start}x`)] }
  const type = start.slice(0, start.indexOf(':'))
  // ';' is the character after ':', so the range includes the type alone and with any second segment.
  return { keys: [''], from: type, to: `${type};` }
}

/** The subject as an SQL expression; `parameter` takes a constant part, `table` is an alias with its dot. */
export const subjectSql = (subject: SubjectPart[], parameter: (value: unknown) => string, table = ''): string =>
  `(${subject.map(part => 'text' in part ? `${parameter(part.text)}::text` : table + part.column.sql).join(' || ')})`

/** `{P}:flow:run:{run_id}` → the string `nvent:flow:run:` and the column `run_id`. */
function subjectParts(spec: StreamSpec, subjectPrefix: string): SubjectPart[] {
  const { start, capture } = patternOf(spec, subjectPrefix)
  return [...start === '' ? [] : [{ text: start }], ...capture === undefined ? [] : [{ column: columnsOf(spec).keys.at(-1)! }]]
}

function mayHold([first]: SubjectPart[], glob: string): boolean {
  if (!first || !('text' in first)) return true
  const start = literalStart(glob)
  return start.startsWith(first.text) || first.text.startsWith(start)
}
