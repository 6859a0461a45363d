/** A quoted SQL identifier; quotes in the name are doubled. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** The name of a quoted identifier, as the server's catalog stores it. */
export function unquoteIdentifier(quoted: string): string {
  return quoted.slice(1, -1).replaceAll('""', '"')
}

/** A column: its name, as in result rows, and its quoted identifier. Names are quoted once, where the column is described. */
export interface NamedColumn {
  name: string
  sql: string
}

export const columnNamed = (name: string): NamedColumn => ({ name, sql: quoteIdentifier(name) })

/** A string that is part of a statement's shape, as an SQL literal. Values and paths given by callers are parameters instead. */
export function quoteLiteral(text: string): string {
  return `'${text.replaceAll('\'', '\'\'')}'`
}

/** Names of a store's database objects: all of them are in its schema and have its prefix. */
export interface Names {
  schema: string
  prefix: string
  /** `flow_runs` → `"public"."nvent_flow_runs"` */
  table(name: string): string
  /** The same as a string literal, for functions that take a regclass. */
  literal(name: string): string
}

/** Default schema and prefix. */
export const DEFAULT_NAMES = { schema: 'public', prefix: 'nvent' }

/** Schema and prefix only, for the details of an error. */
export const placeOf = ({ schema, prefix }: Pick<Names, 'schema' | 'prefix'>) => ({ schema, prefix })

export function namesOf(schema: string, prefix: string): Names {
  const table = (name: string) => `${quoteIdentifier(schema)}.${quoteIdentifier(`${prefix}_${name}`)}`
  return {
    schema,
    prefix,
    table,
    literal: name => quoteLiteral(table(name)),
  }
}
