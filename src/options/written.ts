import { existsSync, readFileSync } from 'node:fs'
import { isPlain } from '../runtime/server/references'

/** What stands in the config files themselves, as opposed to what they compute. */
export interface WrittenConfig {
  /** Whether a string stands there as a literal. */
  isWritten(text: string): boolean
  /** Whether `part` of a string of the config was computed. What a program gives beside the files is not known. */
  isComputed(text: string, part: string): boolean
}

const DEPTH = 8

/** `configs` is what the files evaluated to; of these, `keys` are looked at. */
export function writtenConfig(files: (string | undefined)[], configs: unknown[], keys: string[]): WrittenConfig {
  const source = [...new Set(files)].filter((file): file is string => file !== undefined && existsSync(file)).map(file => unescaped(readFileSync(file, 'utf8'))).join('\n')
  const given = new Set(configs.flatMap(config => isPlain(config) ? keys.flatMap(key => [...stringsOf(config[key], DEPTH)]) : []))
  const isWritten = (text: string) => ['\'', '"', '`'].some(quote => source.includes(quote + text + quote))
  return {
    isWritten,
    isComputed: (text, part) => source !== '' && given.has(text)
      // Alone, in a whole URL, or as the password of a URL.
      && ![part, text].some(isWritten) && !source.includes(`:${part}@`) && !source.includes(`=${part}`),
  }
}

const unescaped = (source: string): string => source.replace(/\\(['"`$\\])/g, '$1')

function* stringsOf(value: unknown, depth: number): Generator<string> {
  if (typeof value === 'string') yield value
  else if (value instanceof Uint8Array) yield new TextDecoder().decode(value)
  else if (depth > 0 && (Array.isArray(value) || isPlain(value))) for (const member of Object.values(value)) yield* stringsOf(member, depth - 1)
}
