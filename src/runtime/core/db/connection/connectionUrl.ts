import { NO_PORT, isPort } from './connectionMembers'
import { isPgliteUrl, pgliteProblem } from './pgliteUrl'
import { parametersProblem } from './urlParameters'

const SCHEMES = /^postgres(?:ql)?$/i
const EXAMPLE = 'postgres://user:password@host:5432/database'
const ENCODE = 'percent-encode the user and the password: @ is %40, # is %23, / is %2F, ? is %3F, % is %25'
// scheme://AUTHORITY PATH ?QUERY #HASH; also matches strings that are not valid URLs.
const PARTS = /^[^:]+:(?:\/\/)?([^/?#]*)(\/[^?#]*)?(?:\?([^#]*))?(#.*)?$/s
// `pg` decodes a URL wrongly when it contains both.
const SPACE = / /
const LETTER_ESCAPE = /%(?!\d\d)[\da-f]{2}/i

/**
 * The problem with a connection URL, as the continuation of a sentence that begins with its source; undefined when there
 * is none. Quotes nothing but the scheme and names of parameters: any other part may belong to the password.
 */
export function urlProblem(text: string): string | undefined {
  if (/^\s|\s$/.test(text)) return 'begins or ends with white space: remove it'
  if (/^["'`]|["'`]$/.test(text)) return 'begins or ends with a quote: write the URL without quotes'
  return isPgliteUrl(text) ? pgliteProblem(text) : serverProblem(text)
}

function serverProblem(text: string): string | undefined {
  // The directory of a Unix socket, which `pg` accepts.
  if (text.startsWith('/')) return undefined
  if (text.startsWith('socket:')) return partsProblem(text)
  const scheme = /^([a-z][a-z\d+.-]*):\/\//i.exec(text)?.[1]
  if (scheme === undefined) return `has no scheme: write it as ${EXAMPLE}, or pglite://path/to/directory`
  if (!SCHEMES.test(scheme)) return `has the scheme ${scheme}://, which is not a PostgreSQL database: write it as ${EXAMPLE}`
  return partsProblem(text)
}

function partsProblem(text: string): string | undefined {
  const [, authority = '', path = '', query = '', hash] = PARTS.exec(text) ?? []
  if (!isEncoded(text)) return 'holds a % that does not begin an escape: percent-encode it as %25 (in the user, the password, the database and the parameters)'
  const parameters = new URLSearchParams(query)
  const isTorn = authority.split('@').length > 2 || hash !== undefined || path.includes('@') || [...parameters.keys()].some(name => name.includes('@'))
  // A password with an unencoded ? whose first part looks like a port.
  const isRest = path === '' && query.includes('@') && !authority.includes('@')
  if (isTorn || isRest) return `holds a character that has to be percent-encoded: ${ENCODE}`
  if (/&[^=&]+=/.test(path)) return 'has & where its parameters begin: the first follows a ?, the others an & (in the name of a database, write & as %26)'
  if (SPACE.test(text) && LETTER_ESCAPE.test(text)) return 'holds a space besides a percent-encoded character: write the space as %20'
  return hostProblem(authority.slice(authority.lastIndexOf('@') + 1))
    ?? (parsedUrl(text) ? parametersProblem(parameters) : `can't be read as a URL: write it as ${EXAMPLE}, and ${ENCODE}`)
}

function hostProblem(host: string): string | undefined {
  if (host.includes(',')) return 'names several hosts, and pg connects to one: name the primary'
  // An IPv6 address ends with a bracket.
  const port = /:([^:\]]*)$/.exec(host)?.[1]
  return port && !isPort(port) ? `has a port ${NO_PORT}: write host:5432, or the host alone` : undefined
}

/** Parses a URL as `pg` does: the host may be missing after the user and be given as a parameter. */
export function parsedUrl(text: string): URL | undefined {
  const readable = [text, text.replace('@/', '@localhost/')].find(each => URL.canParse(each))
  return readable === undefined ? undefined : new URL(readable)
}

function isEncoded(text: string): boolean {
  try {
    return decodeURIComponent(text) !== undefined
  }
  catch {
    return false
  }
}
