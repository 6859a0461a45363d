/** A name as PostgreSQL reads it literally: in quotes, with quotes inside doubled. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** A text that is part of a statement's shape, as a literal. Values of callers travel as parameters instead. */
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
