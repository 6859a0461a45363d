import type { ConnectionOptions } from 'node:tls'
import type { PoolConfig } from 'pg'
import { nearest, normal } from './nearest'
import type { Members } from './types/members'

const OF_PG: Members<PoolConfig> = {
  connectionString: true, host: true, port: true, user: true, password: true, database: true, ssl: true, sslnegotiation: true, enableChannelBinding: true,
  max: true, min: true, connectionTimeoutMillis: true, idleTimeoutMillis: true, maxUses: true, maxLifetimeSeconds: true, allowExitOnIdle: true,
  statement_timeout: true, lock_timeout: true, query_timeout: true, idle_in_transaction_session_timeout: true,
  keepAlive: true, keepAliveInitialDelayMillis: true, application_name: true, fallback_application_name: true, client_encoding: true, options: true,
  types: true, stream: true, pipeline: true, onConnect: true, verify: true, log: true, Client: true, Promise: true,
}
/** What `pg` reads of a connection; the last ones its types don't name. */
export const CONNECTION_MEMBERS: readonly string[] = [...Object.keys(OF_PG), 'binary', 'replication', 'scramMaxIterations', 'connection']

const OF_TLS: Members<ConnectionOptions> = {
  ca: true, cert: true, key: true, passphrase: true, pfx: true, rejectUnauthorized: true, servername: true, checkServerIdentity: true,
  minVersion: true, maxVersion: true, ciphers: true, sigalgs: true, ecdhCurve: true, dhparam: true, minDHSize: true, crl: true, honorCipherOrder: true,
  secureContext: true, secureProtocol: true, secureOptions: true, session: true, sessionIdContext: true, sessionTimeout: true, ticketKeys: true,
  clientCertEngine: true, privateKeyEngine: true, privateKeyIdentifier: true, allowPartialTrustChain: true, pskCallback: true, ALPNProtocols: true, ALPNCallback: true,
  SNICallback: true, requestCert: true, enableTrace: true, host: true, port: true, path: true, socket: true, lookup: true, timeout: true,
}

// What other clients call the same. Compared without case and separators.
const ELSEWHERE = new Map(Object.entries({
  url: 'connectionString', uri: 'connectionString', dsn: 'connectionString', connectionurl: 'connectionString', connectionuri: 'connectionString', databaseurl: 'connectionString',
  hostname: 'host', server: 'host', username: 'user', login: 'user', pass: 'password', passwd: 'password', pwd: 'password', db: 'database', dbname: 'database', databasename: 'database',
  poolsize: 'max', connectionlimit: 'max', maxconnections: 'max', connecttimeout: 'connectionTimeoutMillis', connectiontimeout: 'connectionTimeoutMillis',
  idletimeout: 'idleTimeoutMillis', maxlifetime: 'maxLifetimeSeconds', sslmode: 'ssl', tls: 'ssl', appname: 'application_name',
}))

/** What other clients call the schema of the tables. */
export const SCHEMA_NAMES: readonly string[] = ['schema', 'currentSchema', 'search_path', 'schema_search_path', 'defaultSchema']

/** The member of a connection that is read under another name. */
export const memberMeant = (name: string, edits?: number): string | undefined =>
  ELSEWHERE.get(normal(name)) ?? nearest(name, CONNECTION_MEMBERS, edits)

const MAX_PORT = 65_535
export const NO_PORT = 'that is not a whole number from 1 to 65535'

/** A number, or its digits; `null` is left to `pg`. Any other makes the socket throw, and its pool never ends. */
export const isPort = (port: unknown): boolean =>
  port === null || (/^\d+$/.test(String(port)) && Number(port) > 0 && Number(port) <= MAX_PORT)

export interface MemberFault {
  /** The name of the member, or its path. */
  member: string
  /** In words that follow its name. */
  problem: string
}

/** A member that nothing would read. */
export function unreadMember(connection: object): MemberFault | undefined {
  for (const [member, value] of Object.entries(connection) as [string, unknown][]) {
    if (value === undefined) continue
    if (!CONNECTION_MEMBERS.includes(member)) return { member, problem: problemOf(member) }
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

/** Node may take more than is known here: only what looks like a known name is refused. */
function mistypedTls(ssl: unknown): MemberFault | undefined {
  if (typeof ssl !== 'object' || ssl === null) return undefined
  const known = Object.keys(OF_TLS)
  const member = Object.keys(ssl).find(name => !known.includes(name) && nearest(name, known) !== undefined)
  return member === undefined ? undefined : { member: `ssl.${member}`, problem: `is unknown; did you mean \`${nearest(member, known)}\`?` }
}
