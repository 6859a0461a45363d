import { invalidOption } from '../../shared/errors'

const FORMS = '`pglite://memory`, `pglite://path` from the working directory, or `pglite:///path` from the root'
const ESCAPES = /(?:%[0-9a-f]{2})+/gi

/** What is meant for the embedded database, well written or not. */
export function isPgliteUrl(connection: unknown): connection is string {
  return typeof connection === 'string' && /^pglite:/i.test(connection)
}

/** Why the URL of an embedded database can't be right, in words that follow the name of its source. */
export function pgliteProblem(url: string): string | undefined {
  const [, scheme, given = ''] = /^(pglite):\/\/(.+)$/is.exec(url) ?? []
  const is = `is ${JSON.stringify(url)}`
  if (given.trim() === '') return `${is}, which names no place: write ${FORMS}`
  if (scheme !== 'pglite') return `${is}: write the scheme in small letters, ${JSON.stringify(`pglite://${given}`)}`
  if (given !== 'memory' && /^:?memory:?[/\\]?$/i.test(given)) return `${is}: a database in memory is \`pglite://memory\`, a directory of that name \`pglite://./memory\``
  if (given.includes('?')) return `${is}: \`pglite://\` takes no parameters, and a ? in a path is written %3F`
  if (/^~(?:[/\\]|$)/.test(given)) return `${is}: ~ is not resolved, write the path of the home directory`
  return pathIn(given).includes('\0') ? `${is}: a path can't hold NUL` : undefined
}

/**
 * The path behind `pglite://`, undefined for a database in memory. Escapes as in URLs are read; a `%` that begins none
 * stands for itself.
 * @throws {StoreError} INVALID_OPTION for everything else
 */
export function pglitePath(url: string, option = 'connection'): string | undefined {
  const problem = pgliteProblem(url)
  if (problem !== undefined) throw invalidOption(option, problem)
  const given = url.slice('pglite://'.length)
  return given === 'memory' ? undefined : pathIn(given)
}

const pathIn = (given: string): string => given.replace(ESCAPES, unescaped)

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
