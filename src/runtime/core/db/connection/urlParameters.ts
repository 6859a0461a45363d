import { CONNECTION_MEMBERS, NO_PORT, SCHEMA_NAMES, isPort, memberMeant } from './connectionMembers'
import { OFF, TIME } from './memberKinds'
import { nearest } from '../../shared/nearest'

// The parameters that `pg` reads from a URL; the last two only for `socket:`.
const READ = [
  'host', 'port', 'user', 'password', 'ssl', 'sslmode', 'sslcert', 'sslkey', 'sslrootcert', 'sslnegotiation', 'uselibpqcompat', 'application_name', 'fallback_application_name',
  'options', 'client_encoding', 'statement_timeout', 'lock_timeout', 'query_timeout', 'idle_in_transaction_session_timeout', 'replication', 'binary', 'db', 'encoding',
]
// Parameters of other clients that resemble known names but are not mistyped. They have no effect, as `channel_binding`.
const OF_OTHERS = ['keepalives', 'sslcrl']
const TIMES = ['statement_timeout', 'lock_timeout', 'query_timeout', 'idle_in_transaction_session_timeout']
const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify']
const NO = /^(?:f|false|n|no|off|disable|disabled)$/i
// Providers add parameters of their own, so a name with more edits is not taken for a mistyped one.
const MAX_EDITS = 2

/** The problem with the parameters of a URL, as the continuation of a sentence that begins with its source. */
export function parametersProblem(parameters: URLSearchParams): string | undefined {
  for (const [name, value] of parameters) {
    const problem = READ.includes(name) ? valueProblem(name, value) : nameProblem(name)
    if (problem !== undefined) return problem
  }
  return undefined
}

function nameProblem(name: string): string | undefined {
  if (OF_OTHERS.includes(name)) return undefined
  const meant = nearest(name, [...READ, ...SCHEMA_NAMES], MAX_EDITS) ?? memberMeant(name, MAX_EDITS)
  if (meant === undefined) return undefined
  const parameter = `has the parameter \`${name}\`, which`
  if (SCHEMA_NAMES.includes(meant)) return `${parameter} PostgreSQL does not know: remove it, and set the option \`schema\``
  if (meant === 'database') return `${parameter} pg does not read: name the database in the path, host:5432/database`
  if (READ.includes(meant)) return `${parameter} is unknown; did you mean \`${meant}\`?`
  const isOfObjects = nearest(name, CONNECTION_MEMBERS, MAX_EDITS) === meant
  return isOfObjects ? `${parameter} pg does not read from a URL: write an object, { connectionString: 'postgres://…', ${meant}: … }` : undefined
}

function valueProblem(name: string, value: string): string | undefined {
  // pg reads an empty value as no TLS.
  if (name === 'sslmode' && value === '') return `has a parameter \`sslmode\` that is empty: write one of ${SSL_MODES.join(', ')}, or leave it out`
  if (value === '') return undefined
  if (name === 'port' && !isPort(value)) return `has a parameter \`port\` ${NO_PORT}`
  if (name === 'sslmode' && !SSL_MODES.includes(value)) return `has a parameter \`sslmode\` that is not one of ${SSL_MODES.join(', ')}`
  if (name === 'ssl' && NO.test(value)) return 'has a parameter `ssl` that pg reads as true, whatever its value is: write sslmode=disable'
  if (TIMES.includes(name) && !TIME.takes(value)) return `has a parameter \`${name}\` that ${TIME.problem}`
  if (name === 'replication' && value !== 'false') return `has a parameter \`replication\` that ${OFF.problem}`
  return undefined
}
