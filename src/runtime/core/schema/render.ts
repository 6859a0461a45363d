import type { SchemaNames } from './types'
import { namesOf } from '../shared/identifier'

const COMMENT_LINE = /^--.*$\n?/gm
const LITERAL = /'[^'\n]*'/g
const QUOTED_NAME = /"[^"\n]*"/g
const PLACEHOLDER = /\{(schema|prefix)\}/g

const MARK = /\0([ql]*):(schema|prefix)\0/g
const BODY = /\$nvent\$/g

/** Fills `{schema}` and `{prefix}` into a migration, escaped for their context: quoted identifier, string literal or both. */
export function renderMigration(sql: string, names: { schema: string, prefix: string }): string {
  // Placeholders are marked first and then replaced in one pass: names may themselves look like placeholders or quotes.
  const mark = (text: string, place: string) => text.replace(PLACEHOLDER, (_, key: string) => `\0${place}:${key}\0`)
  const markNames = (text: string, place: string) =>
    mark(text.replace(QUOTED_NAME, name => mark(name, `q${place}`)), place)

  let marked = ''
  let end = 0
  const statements = sql.replace(COMMENT_LINE, '').replace(BODY, () => bodyQuote(names))
  for (const match of statements.matchAll(LITERAL)) {
    marked += markNames(statements.slice(end, match.index), '') + markNames(match[0], 'l')
    end = match.index + match[0].length
  }
  marked += markNames(statements.slice(end), '')

  return marked.replace(MARK, (_, place: string, key: 'schema' | 'prefix') => {
    let value = names[key]
    if (place.includes('q')) value = value.replaceAll('"', '""')
    if (place.includes('l')) value = value.replaceAll('\'', '\'\'')
    return value
  })
}

/** Fills the prefix into an unquoted name of the catalog. */
export const plainName = (name: string, prefix: string): string => name.replaceAll('{prefix}', () => prefix)

/** A dollar quote that occurs in neither name. */
function bodyQuote({ schema, prefix }: { schema: string, prefix: string }): string {
  let quote = '$nvent$'
  for (let n = 1; schema.includes(quote) || prefix.includes(quote); n++) quote = `$nvent${n}$`
  return quote
}

/** The quoted name of the version table. */
export function versionTable(names: { schema: string, prefix: string }): string {
  return namesOf(names.schema, names.prefix).table('schema_version')
}

/** The command that brings these tables up to date, for messages. */
export function migrateCommand({ schema, prefix }: SchemaNames): string {
  return `\`npx nvent-store migrate --schema ${shellWord(schema)} --prefix ${shellWord(prefix)}\``
}

function shellWord(name: string): string {
  return /^[\w.-]+$/.test(name) ? name : `'${name.replaceAll('\'', '\'\\\'\'')}'`
}
