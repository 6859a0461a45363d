import pg from 'pg'
import type { CustomTypesConfig } from 'pg'

const BIGINT = 20
const JSON_OIDS = new Set([114, 3802])
const asText = (value: string) => value

/** The parsers that the codec counts on: `bigint` and JSON as text, for one statement at a time. */
export const textual: CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === BIGINT || JSON_OIDS.has(oid) ? asText : pg.types.getTypeParser(oid, format)) as CustomTypesConfig['getTypeParser'],
}
