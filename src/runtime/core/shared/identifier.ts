/** A name as PostgreSQL reads it literally: in quotes, with quotes inside doubled. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** The name in a quoted identifier, as the server's catalog has it. */
export function unquoteIdentifier(quoted: string): string {
  return quoted.slice(1, -1).replaceAll('""', '"')
}

/** A column under its name, which rows have it by, and as SQL has it: quoted once, where the column is described. */
export interface NamedColumn {
  name: string
  sql: string
}

export const columnNamed = (name: string): NamedColumn => ({ name, sql: quoteIdentifier(name) })

/** A text that is part of a statement's shape, as a literal. Values and paths of callers are parameters instead. */
export function quoteLiteral(text: string): string {
  return `'${text.replaceAll('\'', '\'\'')}'`
}

/** The objects of one store: everything it owns carries its prefix and lives in its schema. */
export interface Names {
  schema: string
  prefix: string
  /** `flow_runs` → `"public"."nvent_flow_runs"` */
  table(name: string): string
  /** The same as a text literal, for functions that take a regclass. */
  literal(name: string): string
}

/** What they are called unless an option says otherwise. */
export const DEFAULT_NAMES = { schema: 'public', prefix: 'nvent' }

/** The values of them alone, for the details of an error. */
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
