import { existsSync, readFileSync } from 'node:fs'
import { isPlain } from '../runtime/server/references'

/** Distinguishes values that the config files contain literally from values that they compute. */
export interface WrittenConfig {
  /** Whether a string is a literal in a file. */
  isWritten(text: string): boolean
  /** Whether `part` of a string was computed in a file. False for options that a program passes without a file. */
  isComputed(text: string, part: string): boolean
}

const DEPTH = 8

/**
 * @param files paths of the config files; missing ones are ignored
 * @param configs the results of the files
 * @param keys the keys of `configs` that are examined
 */
export function writtenConfig(files: (string | undefined)[], configs: unknown[], keys: string[]): WrittenConfig {
  const source = [...new Set(files)].filter((file): file is string => file !== undefined && existsSync(file)).map(file => unescaped(readFileSync(file, 'utf8'))).join('\n')
  const given = new Set(configs.flatMap(config => isPlain(config) ? keys.flatMap(key => [...stringsOf(config[key], DEPTH)]) : []))
  const isWritten = (text: string) => ['\'', '"', '`'].some(quote => source.includes(quote + text + quote))
  return {
    isWritten,
    isComputed: (text, part) => source !== '' && given.has(text)
      // Not computed: the literal is the part itself, the whole URL, or the password in a URL.
      && ![part, text].some(isWritten) && !source.includes(`:${part}@`) && !source.includes(`=${part}`),
  }
}

const unescaped = (source: string): string => source.replace(/\\(['"`$\\])/g, '$1')

function* stringsOf(value: unknown, depth: number): Generator<string> {
  if (typeof value === 'string') yield value
  else if (value instanceof Uint8Array) yield new TextDecoder().decode(value)
  else if (depth > 0 && (Array.isArray(value) || isPlain(value))) for (const member of Object.values(value)) yield* stringsOf(member, depth - 1)
}
