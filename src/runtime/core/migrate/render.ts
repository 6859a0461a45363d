import { namesOf } from '../sql/identifier'

const COMMENT_LINE = /^--.*$\n?/gm
const LITERAL = /'[^'\n]*'/g
const QUOTED_NAME = /"[^"\n]*"/g
const PLACEHOLDER = /\{(schema|prefix)\}/g

/** Fills `{schema}` and `{prefix}` into a migration, quoted for the place they stand in. */
export function renderMigration(sql: string, names: { schema: string, prefix: string }): string {
  const fill = (text: string, escape: (value: string) => string) =>
    text.replace(PLACEHOLDER, (_, key: 'schema' | 'prefix') => escape(names[key]))
  const fillNames = (text: string, escape: (value: string) => string) =>
    fill(text.replace(QUOTED_NAME, name => fill(name, value => escape(value.replaceAll('"', '""')))), escape)

  let rendered = ''
  let end = 0
  const statements = sql.replace(COMMENT_LINE, '')
  for (const match of statements.matchAll(LITERAL)) {
    rendered += fillNames(statements.slice(end, match.index), value => value)
    rendered += fillNames(match[0], value => value.replaceAll('\'', '\'\''))
    end = match.index + match[0].length
  }
  return rendered + fillNames(statements.slice(end), value => value)
}

/** Names used by the runner itself. */
export function versionTable(names: { schema: string, prefix: string }): string {
  return namesOf(names.schema, names.prefix).table('schema_version')
}
