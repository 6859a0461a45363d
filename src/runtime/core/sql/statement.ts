import { createHash } from 'node:crypto'

/** Text and values travel apart; `name` is there when the text may be prepared under it. */
export interface Statement {
  text: string
  values: unknown[]
  name?: string
}

export interface CompiledText {
  text: string
  name?: string
}

/** Compiles the text of a statement once for every key. */
export interface StatementCache {
  compile(key: string, build: () => string): CompiledText
  /** The same for a statement that the server must plan for its values each time. */
  unprepared(key: string, build: () => string): CompiledText
}

// A connection keeps every name it has prepared. Shapes are few in practice (filters and paths vary the most),
// but a caller who filters by names from user input must not grow the server's memory without bound.
const MAX_PREPARED = 500

export function createStatementCache(prepare: boolean): StatementCache {
  const compiled = new Map<string, CompiledText>()
  const compile = (key: string, build: () => string, named: boolean): CompiledText => {
    const known = compiled.get(key)
    if (known) return known
    const text = build()
    if (compiled.size >= MAX_PREPARED) return { text }
    const statement = named ? { text, name: preparedName(text) } : { text }
    compiled.set(key, statement)
    return statement
  }
  return {
    compile: (key, build) => compile(key, build, prepare),
    unprepared: (key, build) => compile(key, build, false),
  }
}

function preparedName(text: string): string {
  return `nvs_${createHash('sha256').update(text).digest('hex').slice(0, 24)}`
}
