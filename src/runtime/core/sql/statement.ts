import { createHash } from 'node:crypto'

/** Statement text and parameter values. With a `name`, the statement can be prepared under that name. */
export interface Statement {
  text: string
  values: unknown[]
  name?: string
}

export interface CompiledText {
  text: string
  name?: string
}

/** A compiled statement for inputs of one shape. A call only has to compute its parameter values. */
export interface Template<I> extends CompiledText {
  values(inputs: readonly I[]): unknown[]
}

/** Compiles each statement once per key. */
export interface StatementCache {
  compile(key: string, build: () => string): CompiledText
  /** The same for a statement that the server has to plan for its parameter values in every call. */
  unprepared(key: string, build: () => string): CompiledText
  template<I>(key: string, build: () => Omit<Template<I>, 'name'>, planned: 'once' | 'each time'): Template<I>
}

// A connection keeps every statement it has prepared. Shapes are few in practice (filters and paths vary the most), but
// filtering by names from user input must not let the server's memory grow without bound.
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
