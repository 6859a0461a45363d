import { StoreError, messageOf } from '../errors'
import type { StoreErrorCode } from '../errors'

interface Meaning {
  code: StoreErrorCode
  retryable?: boolean
  advice?: string
}

// The store goes on without names by itself; only the transaction that found out is lost.
const LOST_NAME: Meaning = { code: 'DATABASE', retryable: true, advice: 'prepared statements get lost on the way, as behind a pooler in transaction mode: set `prepare: false`' }

/** What an SQLSTATE (or its class, its first two characters) means for a caller. */
const BY_SQLSTATE: Record<string, Meaning> = {
  '08': { code: 'CONNECTION', retryable: true },
  '22': { code: 'INVALID_VALUE' },
  // A standby, or a primary that became one: its connections are of no use until it is promoted.
  '25006': { code: 'CONNECTION', retryable: true, advice: 'the server is a standby or read-only: connect to the primary' },
  '25P03': { code: 'TIMEOUT', retryable: true, advice: 'the transaction waited too long between two of its statements' },
  '25P04': { code: 'TIMEOUT', retryable: true },
  '26000': LOST_NAME,
  '28': { code: 'CONNECTION', advice: 'check user, password and pg_hba.conf' },
  '40': { code: 'DATABASE', retryable: true, advice: 'the same transaction may succeed when it is run again' },
  '53': { code: 'CONNECTION', retryable: true, advice: 'the server is out of connections, memory or disk' },
  '54': { code: 'INVALID_VALUE', advice: 'the value is larger or deeper than PostgreSQL can take' },
  '57': { code: 'CONNECTION', retryable: true },
  '3D': { code: 'CONNECTION', advice: 'create the database first' },
  '42501': { code: 'DATABASE', advice: 'grant the role what it needs in its schema' },
  '42P05': LOST_NAME,
  '42P01': { code: 'DATABASE', advice: 'the schema is not what this version expects; run `npx nvent-store migrate`' },
  '55P03': { code: 'TIMEOUT', retryable: true },
  '57014': { code: 'TIMEOUT', retryable: true },
}

// Node reports these by `code`.
const SOCKET_CODES = new Set([
  'ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT', 'EPIPE', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOENT',
])

// The certificate of the server is not what `ssl` asks for. OpenSSL's names, as Node reports them.
const CERTIFICATE_CODES = /^(?:ERR_TLS_CERT_|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|HOSTNAME_MISMATCH|INVALID_CA)/

// Poolers have one code for all they refuse.
const POOLER_REFUSED = /unsupported startup parameter/
const REFUSED_PARAMETER: Meaning = { code: 'CONNECTION', advice: 'a connection pooler takes no such setting from `connection`: give it to the role (`alter role … set statement_timeout = …`), or to the pooler\'s ignore_startup_parameters' }

// pg says these only in words.
const PG_WAITED = /timeout exceeded when trying to connect/
const PG_NO_ANSWER = /Query read timeout/
const PG_DROPPED = /Connection terminated|connection error and is not queryable|client was closed/i
const PG_REFUSED = /SSL|password|SASL/i

/** Turns whatever a driver threw into the StoreError that explains it. */
export function toStoreError(error: unknown, context?: string): StoreError {
  if (error instanceof StoreError) return error
  const sqlState = sqlStateOf(error)
  const known = sqlState === undefined ? undefined : bySqlState(sqlState, messageOf(error))
  const kind = known ?? (sqlState === undefined ? byTransport(error) : { code: 'DATABASE' as const })
  const message = [context, messageOf(error)].filter(Boolean).join(': ')
  return new StoreError(kind.code, kind.advice ? `${message} (${kind.advice})` : message, {
    cause: error,
    retryable: kind.retryable ?? false,
    details: sqlState === undefined ? {} : { sqlState },
  })
}

function bySqlState(sqlState: string, message: string): Meaning | undefined {
  return POOLER_REFUSED.test(message) ? REFUSED_PARAMETER : BY_SQLSTATE[sqlState] ?? BY_SQLSTATE[sqlState.slice(0, 2)]
}

/** Whether the connection an error came over is of no further use: it is gone, answers nobody, or leads to a standby. */
export function isUseless(error: unknown): error is StoreError {
  return error instanceof StoreError && (error.code === 'CONNECTION' || PG_NO_ANSWER.test(messageOf(error.cause)))
}

export function sqlStateOf(error: unknown): string | undefined {
  const source = error instanceof StoreError ? error.cause : error
  const code = (source as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && !SOCKET_CODES.has(code) ? code : undefined
}

function byTransport(error: unknown): Meaning {
  const code = (error as { code?: unknown } | null | undefined)?.code
  const nested = error instanceof AggregateError ? error.errors : []
  if ([code, ...nested.map(each => (each as { code?: unknown })?.code)].some(each => SOCKET_CODES.has(String(each)))) {
    return { code: 'CONNECTION', retryable: true }
  }
  if (CERTIFICATE_CODES.test(String(code))) {
    return { code: 'CONNECTION', advice: 'the server\'s certificate was refused: `ssl.ca` has to hold the authority that signed it, and the host has to be one of its names' }
  }
  const message = messageOf(error)
  if (PG_WAITED.test(message)) return { code: 'TIMEOUT', retryable: true, advice: 'all connections are in use: raise `poolSize`' }
  if (PG_NO_ANSWER.test(message)) {
    return { code: 'TIMEOUT', retryable: true, advice: 'no answer came: whether the statement was carried out is not known' }
  }
  if (PG_DROPPED.test(message)) return { code: 'CONNECTION', retryable: true }
  if (PG_REFUSED.test(message)) return { code: 'CONNECTION', advice: 'check the user, the password and `ssl`' }
  return { code: 'DATABASE' }
}
