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

/** A statement for inputs of one shape: what is left to do for a call is to take its values apart. */
export interface Template<I> extends CompiledText {
  values(inputs: readonly I[]): unknown[]
}

/** Compiles a statement once for every key. */
export interface StatementCache {
  compile(key: string, build: () => string): CompiledText
  /** The same for a statement that the server must plan for its values each time. */
  unprepared(key: string, build: () => string): CompiledText
  template<I>(key: string, build: () => Omit<Template<I>, 'name'>, planned: 'once' | 'each time'): Template<I>
}

// A connection keeps every name it has prepared. Shapes are few in practice (filters and paths vary the most),
// but a caller who filters by names from user input must not grow the server's memory without bound.
const MAX_PREPARED = 500

export function createStatementCache(prepare: boolean): StatementCache {
  const compiled = new Map<string, CompiledText>()
  const remember = <T extends CompiledText>(key: string, build: () => T, named: boolean): T => {
    const known = compiled.get(key)
    if (known) return known as T
    const built = build()
    if (compiled.size >= MAX_PREPARED) return built
    const statement = named ? { ...built, name: preparedName(built.text) } : built
    compiled.set(key, statement)
    return statement
  }
  return {
    compile: (key, build) => remember(key, () => ({ text: build() }), prepare),
    unprepared: (key, build) => remember(key, () => ({ text: build() }), false),
    template: (key, build, planned) => remember(key, build, prepare && planned === 'once'),
  }
}

function preparedName(text: string): string {
  return `nvs_${createHash('sha256').update(text).digest('hex').slice(0, 24)}`
}
