import type { NamedColumn } from '../shared/identifier'
import { isGlob, literalStart } from '../shared/glob'
import { columnsOf } from './fields'
import type { Route } from './route'
import { createRouter, patternOf, subjectPrefixOf } from './route'
import type { StreamSpec } from './types'

/** A subject, put together: text that is always the same, and columns. */
export type SubjectPart = { text: string } | { column: NamedColumn }

/** A table that holds events of wanted subjects. */
export interface Selection {
  spec: StreamSpec
  subject: SubjectPart[]
  /** Which of its subjects are wanted; undefined for all of them. */
  wanted?: { routes: Route<StreamSpec>[], globs: string[] }
}

export type Select = (subjects?: readonly string[]) => Selection[]

/** Finds the tables that hold the events of subjects and globs. */
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
 * The partition keys that subjects of a glob may have: a list, or a range without its end; undefined for any.
 * A subject whose first segments are no plain names lies under the empty key.
 */
export function partitionsOf(glob: string): { keys: string[], from?: string, to?: string } | undefined {
  const start = literalStart(glob)
  const segments = start.split(':').length - 1
  if (segments === 0) return undefined
  if (segments > 1) return { keys: [subjectPrefixOf(`${start}x`)] }
  const type = start.slice(0, start.indexOf(':'))
  // ';' is the character after ':', so the range holds the type alone and with any second segment.
  return { keys: [''], from: type, to: `${type};` }
}

/** `{P}:flow:run:{run_id}` → the text `nvent:flow:run:` and the column `run_id`. */
function subjectParts(spec: StreamSpec, subjectPrefix: string): SubjectPart[] {
  const { start, capture } = patternOf(spec, subjectPrefix)
  return [...start === '' ? [] : [{ text: start }], ...capture === undefined ? [] : [{ column: columnsOf(spec).keys.at(-1)! }]]
}

function mayHold([first]: SubjectPart[], glob: string): boolean {
  if (!first || !('text' in first)) return true
  const start = literalStart(glob)
  return start.startsWith(first.text) || first.text.startsWith(start)
}
