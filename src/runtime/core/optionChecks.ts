import type { PoolConfig } from 'pg'
import { urlProblem } from './connectionUrl'
import { invalidOption } from './errors'
import { nearest } from './nearest'
import { isPgliteUrl, pglitePath } from './pgliteUrl'
import { MAX_MS } from './timer'

// The longest name made from a prefix is `idx_{prefix}_scheduler_jobs_next_run`; PostgreSQL cuts names at 63 bytes.
const MAX_PREFIX_BYTES = 32
const MAX_SCHEMA_BYTES = 63
const MAX_PORT = 65_535
// `pg` waits for these with timers of its own.
const TIMES_OF_PG = new Set(['connectionTimeoutMillis', 'idleTimeoutMillis', 'query_timeout', 'keepAliveInitialDelayMillis'])

/** Any name PostgreSQL can hold in quotes is fine: mixed case, dashes, spaces, quotes. */
export function identifier(option: string, value: unknown, maxBytes = MAX_SCHEMA_BYTES): string {
  if (typeof value !== 'string' || value === '') throw invalidOption(option, 'must be a text that is not empty')
  if (value.includes('\0') || !value.isWellFormed()) {
    throw invalidOption(option, 'holds a character PostgreSQL names can\'t hold (NUL or half a surrogate pair)')
  }
  const bytes = Buffer.byteLength(value)
  if (bytes > maxBytes) {
    throw invalidOption(option, `is ${bytes} bytes long, the longest that fits PostgreSQL's 63-byte names is ${maxBytes}`)
  }
  return value
}

export const tablePrefix = (value: unknown): string => identifier('prefix', value, MAX_PREFIX_BYTES)

export function segment(option: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') throw invalidOption(option, 'must be a text that is not empty')
  return value
}

export function flag(option: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw invalidOption(option, `must be true or false, not ${JSON.stringify(value)}`)
  return value
}

export function integer(option: string, value: unknown, min: number): number {
  if (!Number.isSafeInteger(value) || (value as number) < min) {
    throw invalidOption(option, `must be a whole number of at least ${min}, not ${typeof value === 'string' ? JSON.stringify(value) : String(value)}`)
  }
  return value as number
}

/** A time in milliseconds that a timer can wait for. */
export function milliseconds(option: string, value: unknown, min = 0): number {
  const ms = integer(option, value, min)
  if (ms > MAX_MS) throw invalidOption(option, `must be at most ${MAX_MS} milliseconds (24.8 days), not ${ms}`)
  return ms
}

/** A number, or its digits; `null` is left to `pg`. Any other makes the socket throw, and its pool never ends. */
export const isPort = (port: unknown): boolean =>
  port === null || (/^\d+$/.test(String(port)) && Number(port) <= MAX_PORT)

/** Why a connection can't be right, in words that follow its name; undefined when nothing is wrong. */
export function connectionProblem(connection: unknown): string | undefined {
  if (typeof connection === 'string' && connection !== '') return urlProblem(connection)
  if (typeof connection !== 'object' || connection === null || Array.isArray(connection)) {
    return 'must be a URL or a pg pool configuration; `pglite://memory` needs no server'
  }
  if (connection instanceof URL) return 'is a URL object, of which pg would read nothing: give its text, `url.href`'
  const { connectionString, port } = connection as PoolConfig
  if (port !== undefined && !isPort(port)) return 'has a `port` that is not a whole number from 0 to 65535'
  if (isPgliteUrl(connectionString)) return 'has a `connectionString` that names an embedded database: give the URL itself, without an object around it'
  const problem = typeof connectionString === 'string' && connectionString !== '' ? urlProblem(connectionString) : undefined
  return problem && `has a \`connectionString\` that ${problem}`
}

export function connection(option: string, value: unknown): string | PoolConfig {
  if (isPgliteUrl(value)) pglitePath(value, option)
  const problem = connectionProblem(value)
  if (problem !== undefined) throw invalidOption(option, problem)
  if (typeof value === 'object') {
    for (const [name, time] of Object.entries(value!)) if (TIMES_OF_PG.has(name) && typeof time === 'number') milliseconds(`${option}.${name}`, time)
  }
  return value as string | PoolConfig
}

/** Refuses options nobody knows, and names the one that is most likely meant. `path` is where they stand. */
export function refuseUnknown(options: object, known: readonly string[], path = ''): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || known.includes(name)) continue
    const meant = nearest(name, known)
    throw invalidOption(path + name, meant === undefined ? `is unknown; known are ${known.join(', ')}` : `is unknown; did you mean \`${meant}\`?`)
  }
}
