import type { TableSpec } from './types'

/** Where a subject or key leads: its table and the values of its key columns, in the order of `keyColumns`. */
export interface Route<S extends TableSpec = TableSpec> {
  spec: S
  subject: string
  keys: string[]
}

const CAPTURE = /\{(\w+)\}/g

/** Key columns of a table, in the order a route gives their values. */
export function keyColumns(spec: TableSpec): string[] {
  const captures = [...spec.subject.matchAll(CAPTURE)].map(match => match[1]!).filter(name => name !== 'P')
  return spec.kind === 'stream' && spec.partition ? [spec.partition, ...captures] : captures
}

/** Finds the first spec whose pattern a subject matches, by whole segments; the last one has to match everything. */
export function createRouter<S extends TableSpec>(specs: S[], subjectPrefix: string): (subject: string) => Route<S> {
  const patterns = specs.map(spec => ({ spec, pattern: patternOf(spec.subject, subjectPrefix) }))
  return (subject) => {
    for (const { spec, pattern } of patterns) {
      const match = pattern.exec(subject)
      if (match) return { spec, subject, keys: [...partitionKey(spec, subject), ...match.slice(1)] }
    }
    throw new TypeError(`no table spec matches ${JSON.stringify(subject)}: the last one must match everything`)
  }
}

function patternOf(subject: string, subjectPrefix: string): RegExp {
  // split() puts the names of the captures at the odd places.
  const pieces = subject.split(CAPTURE)
  const last = pieces.findLastIndex((piece, at) => at % 2 === 1 && piece !== 'P')
  const source = pieces.map((piece, at) => {
    if (at % 2 === 0) return escapeRegExp(piece)
    if (piece === 'P') return escapeRegExp(subjectPrefix)
    return at === last ? '(.+)' : '([^:]+)'
  })
  return new RegExp(`^${source.join('')}$`, 's')
}

const escapeRegExp = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

function partitionKey(spec: TableSpec, subject: string): string[] {
  return spec.kind === 'stream' && spec.partition ? [subjectPrefixOf(subject)] : []
}

const TYPE_NAME = /^[a-z][\w-]{0,31}$/i

/**
 * The part of a subject that names its type: `nq:flow:abc` → `nq:flow`, `orders:42` → `orders`. Empty when there
 * is none, or it does not look like a name: ids from user input must not become tables.
 */
export function subjectPrefixOf(subject: string): string {
  const segments = subject.split(':')
  const prefix = segments.slice(0, Math.min(2, segments.length - 1))
  return prefix.every(segment => TYPE_NAME.test(segment)) ? prefix.join(':') : ''
}
