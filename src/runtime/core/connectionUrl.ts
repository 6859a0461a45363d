import { isPgliteUrl } from './pgliteUrl'

const SCHEMES = /^postgres(?:ql)?$/i
const EXAMPLE = 'postgres://user:password@host:5432/database'
const ENCODE = 'percent-encode the user and the password: @ is %40, # is %23, / is %2F, ? is %3F, % is %25'

/**
 * Why a connection URL can't be right, in words that follow the name of its source; undefined when nothing is wrong.
 * Shows no part of it but its scheme: any other may be a piece of the password.
 */
export function urlProblem(text: string): string | undefined {
  if (/^\s|\s$/.test(text)) return 'begins or ends with white space: remove it'
  if (/^["'`]|["'`]$/.test(text)) return 'begins or ends with a quote: write the URL without quotes'
  // The directory of a Unix socket, which `pg` takes; what names the embedded database is checked where its path is read.
  if (text.startsWith('/') || text.startsWith('socket:') || isPgliteUrl(text)) return undefined
  const scheme = /^([a-z][a-z\d+.-]*):\/\//i.exec(text)?.[1]
  if (scheme === undefined) return `has no scheme: write it as ${EXAMPLE}, or pglite://path/to/directory`
  if (!SCHEMES.test(scheme)) return `has the scheme ${scheme}://, which is no PostgreSQL database: write it as ${EXAMPLE}`
  return postgresProblem(text)
}

function postgresProblem(text: string): string | undefined {
  const url = parsed(text)
  if (!url) return `can't be read as a URL: write it as ${EXAMPLE}, and ${ENCODE}`
  const authority = /^[^:]+:\/\/([^/?#]*)/.exec(text)![1]!
  const isTorn = authority.split('@').length > 2 || url.hash !== '' || url.pathname.includes('@') || [...url.searchParams.keys()].some(name => name.includes('@'))
  if (isTorn || ![url.username, url.password, url.pathname].every(isEncoded)) return `holds a character that has to be written in another way: ${ENCODE}`
  if (url.searchParams.has('schema')) return 'has the parameter `schema`, which PostgreSQL does not know: remove it, and set the option `schema`'
  return undefined
}

function parsed(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined
}

const isEncoded = (part: string): boolean => !/%(?![\da-f]{2})/i.test(part)
