import { StoreError } from '../shared/errors'
import { unquoteIdentifier } from '../shared/identifier'
import { renderMigration } from './render'
import type { Migration, SchemaNames } from './types'

/** How a statement of a migration without a transaction is run. */
export type StatementKind
  /** In a transaction of its own. */
  = | 'plain'
    /** Repeatedly, each time in a transaction of its own, until it changes no row. */
    | 'batched'
    /** Outside of any transaction, as `create index concurrently` has to be. */
    | 'outside'

export interface MigrationStatement {
  text: string
  kind: StatementKind
  /** The index that the statement creates, if any: an invalid index left by a failed attempt has to be dropped. */
  index?: string
}

// Tokens in which a semicolon does not end a statement: comments, strings, quoted names, dollar-quoted bodies.
const TOKEN = /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$\w*\$)[\s\S]*?\1|;/g
const MARK = /^--\s*batched\s*$/
const OUTSIDE = /^(?:vacuum|reindex)\b|\bconcurrently\b/i
const CONCURRENT_INDEX = /^create\s+(?:unique\s+)?index\s+concurrently\s/i
const INDEX_NAME = /^create\s+(?:unique\s+)?index\s+concurrently\s+(?:if\s+not\s+exists\s+)?("(?:[^"]|"")+")\s/i

/**
 * Splits the `up` part of a migration into statements and fills the names in.
 * @throws {StoreError} MIGRATION_FAILED when a statement could not be run again after an interruption
 */
export function statementsOf(migration: Migration, names: SchemaNames): MigrationStatement[] {
  return split(migration.up).map(({ sql, batched }) => {
    const text = renderMigration(sql, names).trim()
    if (batched) return { text, kind: 'batched' }
    if (!OUTSIDE.test(text)) return { text, kind: 'plain' }
    if (/^drop\s+index\s+concurrently\s+(?!if\s)/i.test(text)) throw unrepeatable(migration, text, 'write `drop index concurrently if exists`')
    if (!CONCURRENT_INDEX.test(text)) return { text, kind: 'outside' }
    const index = INDEX_NAME.exec(text)?.[1]
    if (index === undefined) throw unrepeatable(migration, text, 'give the index a name in quotes')
    return { text, kind: 'outside', index: unquoteIdentifier(index) }
  })
}

function split(sql: string): { sql: string, batched: boolean }[] {
  const statements: { sql: string, batched: boolean }[] = []
  let [start, end, batched, text] = [0, 0, false, '']
  const finish = () => {
    if (text.trim() !== '') statements.push({ sql: text.trim(), batched })
    ;[batched, text] = [false, '']
  }
  for (const match of sql.matchAll(TOKEN)) {
    const [token] = match
    end = match.index + token.length
    if (token === ';' || token.startsWith('--') || token.startsWith('/*')) {
      text += sql.slice(start, match.index)
      start = end
    }
    if (token === ';') finish()
    else if (MARK.test(token)) batched = true
  }
  text += sql.slice(start)
  finish()
  return statements
}

function unrepeatable({ version, name }: Migration, text: string, advice: string): StoreError {
  return new StoreError('MIGRATION_FAILED', `migration ${version} (${name}) could not be continued after a crash at \`${text.slice(0, 60)}\`: ${advice}`, {
    details: { version },
  })
}
