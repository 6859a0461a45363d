import type { PoolConfig } from 'pg'
import { NO_PORT, isPort, unfitMember } from './connectionMembers'
import { urlProblem } from './connectionUrl'
import { invalidOption } from '../../shared/errors'
import { isPgliteUrl, pglitePath } from './pgliteUrl'

/** A problem with a connection option. */
export interface ConnectionFault {
  /** The path of the wrong member; empty for the whole value. */
  path: string
  /** Continues the sentence that begins with the option's name and the path. */
  problem: string
}

export function connectionFault(connection: unknown): ConnectionFault | undefined {
  const problem = problemOf(connection)
  if (problem !== undefined) return { path: '', problem }
  return typeof connection === 'object' ? memberFault(connection as PoolConfig) : undefined
}

function problemOf(connection: unknown): string | undefined {
  if (typeof connection === 'string' && connection !== '') return urlProblem(connection)
  if (typeof connection !== 'object' || connection === null || Array.isArray(connection)) {
    return 'must be a URL or a pg pool configuration; `pglite://memory` needs no server'
  }
  if (connection instanceof URL) return 'is a URL object, which pg does not read: give its string, `url.href`'
  const { connect, query } = connection as Record<string, unknown>
  if (typeof connect === 'function' || typeof query === 'function') return 'is a pool or a client, which pg does not read as a configuration: give a pool as the option `pool`'
  const { connectionString, port } = connection as PoolConfig
  if (port !== undefined && !isPort(port)) return `has a \`port\` ${NO_PORT}`
  if (isPgliteUrl(connectionString)) return 'has a `connectionString` that names an embedded database: give the URL itself, without an object around it'
  const problem = typeof connectionString === 'string' && connectionString !== '' ? urlProblem(connectionString) : undefined
  return problem && `has a \`connectionString\` that ${problem}`
}

function memberFault(connection: PoolConfig): ConnectionFault | undefined {
  const unfit = unfitMember(connection)
  return unfit && { path: `.${unfit.member}`, problem: unfit.problem }
}

/** @throws {StoreError} INVALID_OPTION that names the option, or its member */
export function connection(option: string, value: unknown): string | PoolConfig {
  const fault = connectionFault(value)
  if (fault) throw invalidOption(option + fault.path, fault.problem)
  return value as string | PoolConfig
}

type Connection = string | PoolConfig | undefined

/**
 * `migrationConnection` and `listenConnection` have to lead to the store's own database, only in a different way.
 * @throws {StoreError} INVALID_OPTION when only one of the two is embedded, or when they are different directories
 */
export function requireOneDatabase(option: string, other: Connection, own: Connection): void {
  if (other === undefined || (!isPgliteUrl(own) && !isPgliteUrl(other))) return
  const isSame = isPgliteUrl(own) && isPgliteUrl(other) && pglitePath(own) !== undefined && pglitePath(own) === pglitePath(other)
  if (!isSame) throw invalidOption(option, `leads to ${kindOf(other)}, and the store's own connection to ${kindOf(own)}: leave \`${option}\` out, or let both lead to one database`)
}

const kindOf = (connection: Connection): string => isPgliteUrl(connection) ? `the embedded database ${connection}` : 'a server'
