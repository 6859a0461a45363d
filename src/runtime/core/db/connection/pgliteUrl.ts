import { invalidOption } from '../../shared/errors'

const FORMS = '`pglite://memory`, `pglite://path` from the working directory, or `pglite:///path` from the root'
const ESCAPES = /(?:%[0-9a-f]{2})+/gi

/** Whether a URL is meant for the embedded database, valid or not. */
export function isPgliteUrl(connection: unknown): connection is string {
  return typeof connection === 'string' && /^pglite:/i.test(connection)
}

/** The problem with the URL of an embedded database, as the continuation of a sentence that begins with its source. */
export function pgliteProblem(url: string): string | undefined {
  const [, scheme, given = ''] = /^(pglite):\/\/(.+)$/is.exec(url) ?? []
  const is = `is ${JSON.stringify(url)}`
  if (given.trim() === '') return `${is}, which names no directory: write ${FORMS}`
  if (scheme !== 'pglite') return `${is}: write the scheme in small letters, ${JSON.stringify(`pglite://${given}`)}`
  if (given !== 'memory' && /^:?memory:?[/\\]?$/i.test(given)) return `${is}: a database in memory is \`pglite://memory\`, a directory of that name \`pglite://./memory\``
  if (given.includes('?')) return `${is}: \`pglite://\` takes no parameters, and a ? in a path is written %3F`
  if (/^~(?:[/\\]|$)/.test(given)) return `${is}: ~ is not resolved, write the path of the home directory`
  return pathIn(given).includes('\0') ? `${is}: a path can't hold NUL` : undefined
}

/**
 * The path after `pglite://`; undefined for a database in memory. URL escapes are decoded; a `%` that does not begin one
 * is literal.
 * @throws {StoreError} INVALID_OPTION when the URL is not valid
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

/** The URL of a directory, with all special characters of its path encoded. */
export const pgliteUrl = (path: string): string => `pglite://${path.split(/(?<=[/\\])/).map(encodeURIComponent).join('').replaceAll('%2F', '/').replaceAll('%5C', '\\')}`
