import type { TableSpec } from './types'

/** The table of a subject or key, and the values of its key columns in the order of `keyColumns`. */
export interface Route<S extends TableSpec = TableSpec> {
  spec: S
  subject: string
  keys: string[]
}

// `{P}` stands for the prefix of all subjects; a name at the end is the column that takes the rest of the subject.
const PATTERN = /^(\{P\})?([^{}]*)(?:\{([^{}]+)\})?$/

interface Pattern {
  /** Literal prefix of the subject, or the whole subject when the pattern has no capture. */
  start: string
  /** The column that holds the rest of the subject. */
  capture: string | undefined
}

export function patternOf({ table, subject }: TableSpec, subjectPrefix: string): Pattern {
  const match = PATTERN.exec(subject)
  if (!match) throw new TypeError(`table spec ${table}: ${JSON.stringify(subject)} may have {P} at its start and one column at its end`)
  const [, prefix, literal, capture] = match
  return { start: `${prefix === undefined ? '' : subjectPrefix}${literal}`, capture }
}

/** Key columns of a table, in the order of `Route.keys`. */
export function keyColumns(spec: TableSpec): string[] {
  const { capture } = patternOf(spec, '')
  const captures = capture === undefined ? [] : [capture]
  return spec.kind === 'stream' && spec.partition ? [spec.partition, ...captures] : captures
}

/** Routes a subject to the first spec whose pattern matches. The last spec has to match every subject. */
export function createRouter<S extends TableSpec>(specs: S[], subjectPrefix: string): (subject: string) => Route<S> {
  const patterns = specs.map(spec => ({ spec, ...patternOf(spec, subjectPrefix) }))
  return (subject) => {
    for (const { spec, start, capture } of patterns) {
      if (capture === undefined && subject === start) return { spec, subject, keys: [] }
      if (capture !== undefined && subject.length > start.length && subject.startsWith(start)) {
        return { spec, subject, keys: keysOf(spec, subject, subject.slice(start.length)) }
      }
    }
    throw new TypeError(`no table spec matches ${JSON.stringify(subject)}: the last one must match everything`)
  }
}

function keysOf(spec: TableSpec, subject: string, captured: string): string[] {
  return spec.kind === 'stream' && spec.partition ? [subjectPrefixOf(subject), captured] : [captured]
}

const TYPE_NAME = /^[a-z][\w-]{0,31}$/i

/**
 * The part of a subject that names its type: `nq:flow:abc` → `nq:flow`, `orders:42` → `orders`. Empty when there is none
 * or it is not a plain name, since each prefix can become a table and ids from user input must not.
 */
export function subjectPrefixOf(subject: string): string {
  const segments = subject.split(':')
  const prefix = segments.slice(0, Math.min(2, segments.length - 1))
  return prefix.every(segment => TYPE_NAME.test(segment)) ? prefix.join(':') : ''
}
