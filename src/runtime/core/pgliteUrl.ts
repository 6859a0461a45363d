import { invalidOption } from './errors'

const FORMS = '`pglite://memory`, `pglite://path` from the working directory, or `pglite:///path` from the root'
const ESCAPES = /(?:%[0-9a-f]{2})+/gi

/** What is meant for the embedded database, well written or not. */
export function isPgliteUrl(connection: unknown): connection is string {
  return typeof connection === 'string' && /^pglite:/i.test(connection)
}

/**
 * The path behind `pglite://`, undefined for a database in memory. Escapes as in URLs are read; a `%` that begins none
 * stands for itself.
 * @throws {StoreError} INVALID_OPTION for everything else
 */
export function pglitePath(url: string, option = 'connection'): string | undefined {
  const [, given] = /^pglite:\/\/(.+)$/s.exec(url) ?? []
  if (given === undefined || given.trim() === '') throw invalidOption(option, `is ${JSON.stringify(url)}, which names no place: write ${FORMS}`)
  if (given === 'memory') return undefined
  if (/^:?memory:?[/\\]?$/i.test(given)) {
    throw invalidOption(option, `is ${JSON.stringify(url)}: a database in memory is \`pglite://memory\`, a directory of that name \`pglite://./memory\``)
  }
  if (given.includes('?')) throw invalidOption(option, `is ${JSON.stringify(url)}: \`pglite://\` takes no parameters, and a ? in a path is written %3F`)
  if (/^~(?:[/\\]|$)/.test(given)) throw invalidOption(option, `is ${JSON.stringify(url)}: ~ is not resolved, write the path of the home directory`)
  const path = given.replace(ESCAPES, unescaped)
  if (path.includes('\0')) throw invalidOption(option, `is ${JSON.stringify(url)}: a path can't hold NUL`)
  return path
}

function unescaped(escapes: string): string {
  try {
    return decodeURIComponent(escapes)
  }
  catch {
    return escapes
  }
}

/** The URL of a directory, whatever its path holds. */
export const pgliteUrl = (path: string): string => `pglite://${path.split(/(?<=[/\\])/).map(encodeURIComponent).join('').replaceAll('%2F', '/').replaceAll('%5C', '\\')}`
