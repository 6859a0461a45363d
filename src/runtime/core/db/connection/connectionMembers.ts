import type { ConnectionOptions } from 'node:tls'
import type { PoolConfig } from 'pg'
import { COUNT, FLAG, FUNCTION, HOST, NAME, OBJECT, OFF, PASSWORD, SECONDS, SOME, TEXT, TIME, TLS, isIntegerIn } from './memberKinds'
import type { Kind } from './memberKinds'
import { nearest, normal } from '../../shared/nearest'
import type { Members } from '../../shared/types'

const MAX_PORT = 65_535
export const NO_PORT = 'that is not an integer from 1 to 65535'

/** A number or its digits; `null` is left to `pg`. With any other value the socket throws, and its pool never ends. */
export const isPort = (port: unknown): boolean => port === null || isIntegerIn(port, 1, MAX_PORT)
// An invalid port is reported before the members are checked.
const PORT: Kind = { takes: isPort, problem: `is a port ${NO_PORT}` }

const OF_PG: Readonly<Record<keyof PoolConfig, Kind>> = {
  connectionString: TEXT, host: HOST, port: PORT, user: NAME, password: PASSWORD, database: NAME, ssl: TLS, sslnegotiation: TEXT, enableChannelBinding: FLAG,
  max: SOME, min: COUNT, connectionTimeoutMillis: TIME, idleTimeoutMillis: TIME, maxUses: SOME, maxLifetimeSeconds: SECONDS, allowExitOnIdle: FLAG,
  statement_timeout: TIME, lock_timeout: TIME, query_timeout: TIME, idle_in_transaction_session_timeout: TIME,
  keepAlive: FLAG, keepAliveInitialDelayMillis: TIME, application_name: TEXT, fallback_application_name: TEXT, client_encoding: TEXT, options: TEXT,
  types: OBJECT, stream: OBJECT, pipeline: FLAG, onConnect: FUNCTION, verify: FUNCTION, log: FUNCTION, Client: FUNCTION, Promise: FUNCTION,
}
// `pg` also reads the last four, which its types do not declare.
const KINDS = new Map<string, Kind>(Object.entries({ ...OF_PG, binary: OFF, replication: OFF, scramMaxIterations: COUNT, connection: OBJECT }))
/** The members of a connection that `pg` reads. */
export const CONNECTION_MEMBERS: readonly string[] = [...KINDS.keys()]
/** The members whose values are strings, whatever they look like. */
export const TEXT_MEMBERS: readonly string[] = CONNECTION_MEMBERS.filter(member => [TEXT, NAME, HOST, PASSWORD].includes(KINDS.get(member)!))

const OF_TLS: Members<ConnectionOptions> = {
  ca: true, cert: true, key: true, passphrase: true, pfx: true, rejectUnauthorized: true, servername: true, checkServerIdentity: true,
  minVersion: true, maxVersion: true, ciphers: true, sigalgs: true, ecdhCurve: true, dhparam: true, minDHSize: true, crl: true, honorCipherOrder: true,
  secureContext: true, secureProtocol: true, secureOptions: true, session: true, sessionIdContext: true, sessionTimeout: true, ticketKeys: true,
  clientCertEngine: true, privateKeyEngine: true, privateKeyIdentifier: true, allowPartialTrustChain: true, pskCallback: true, ALPNProtocols: true, ALPNCallback: true,
  SNICallback: true, requestCert: true, enableTrace: true, host: true, port: true, path: true, socket: true, lookup: true, timeout: true,
}

// Names of the same settings in other clients. Compared without case and separators.
const ELSEWHERE = new Map(Object.entries({
  url: 'connectionString', uri: 'connectionString', dsn: 'connectionString', connectionurl: 'connectionString', connectionuri: 'connectionString', databaseurl: 'connectionString',
  hostname: 'host', server: 'host', username: 'user', login: 'user', pass: 'password', passwd: 'password', pwd: 'password', db: 'database', dbname: 'database', databasename: 'database',
  poolsize: 'max', connectionlimit: 'max', maxconnections: 'max', connecttimeout: 'connectionTimeoutMillis', connectiontimeout: 'connectionTimeoutMillis',
  idletimeout: 'idleTimeoutMillis', maxlifetime: 'maxLifetimeSeconds', sslmode: 'ssl', tls: 'ssl', appname: 'application_name',
}))

/** Names for the schema of the tables in other clients. */
export const SCHEMA_NAMES: readonly string[] = ['schema', 'currentSchema', 'search_path', 'schema_search_path', 'defaultSchema']

/** The member that an unknown name most likely stands for. */
export const memberMeant = (name: string, edits?: number): string | undefined =>
  ELSEWHERE.get(normal(name)) ?? nearest(name, CONNECTION_MEMBERS, edits)

export interface MemberFault {
  /** The name of the member, or its path. */
  member: string
  /** Continues the sentence that begins with the member's name. */
  problem: string
}

/** The first member that `pg` does not read, or whose value it does not accept. */
export function unfitMember(connection: object): MemberFault | undefined {
  for (const [member, value] of Object.entries(connection) as [string, unknown][]) {
    if (value === undefined) continue
    const kind = KINDS.get(member)
    if (!kind) return { member, problem: problemOf(member) }
    if (value !== null && !kind.takes(value)) return { member, problem: kind.problem }
    const mistyped = member === 'ssl' ? mistypedTls(value) : undefined
    if (mistyped) return mistyped
  }
  return undefined
}

function problemOf(member: string): string {
  if (nearest(member, SCHEMA_NAMES) !== undefined) return 'is unknown; the schema of the tables is the option `schema`, beside `connection`'
  const meant = memberMeant(member)
  return meant === undefined ? `is unknown; known are ${CONNECTION_MEMBERS.join(', ')}` : `is unknown; did you mean \`${meant}\`?`
}

/** Node may support more TLS options than are known here, so only names similar to a known one are refused. */
function mistypedTls(ssl: unknown): MemberFault | undefined {
  if (typeof ssl !== 'object' || ssl === null) return undefined
  const known = Object.keys(OF_TLS)
  const member = Object.keys(ssl).find(name => !known.includes(name) && nearest(name, known) !== undefined)
  return member === undefined ? undefined : { member: `ssl.${member}`, problem: `is unknown; did you mean \`${nearest(member, known)}\`?` }
}
