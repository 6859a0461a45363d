import { StoreError, messageOf } from '../errors'
import type { StoreErrorCode } from '../errors'

/** What an SQLSTATE (or its class, its first two characters) means for a caller. */
const BY_SQLSTATE: Record<string, { code: StoreErrorCode, retryable?: boolean, advice?: string }> = {
  '08': { code: 'CONNECTION', retryable: true },
  '22': { code: 'INVALID_VALUE' },
  '28': { code: 'CONNECTION', advice: 'check user, password and pg_hba.conf' },
  '40': { code: 'DATABASE', retryable: true, advice: 'the same transaction may succeed when it is run again' },
  '53': { code: 'CONNECTION', retryable: true, advice: 'the server is out of connections, memory or disk' },
  '54': { code: 'INVALID_VALUE', advice: 'the value is larger or deeper than PostgreSQL can take' },
  '57': { code: 'CONNECTION', retryable: true },
  '3D': { code: 'CONNECTION', advice: 'create the database first' },
  '42501': { code: 'DATABASE', advice: 'grant the role what it needs in its schema' },
  '42P01': { code: 'DATABASE', advice: 'the schema is not what this version expects; run `npx nvent-store migrate`' },
  '55P03': { code: 'TIMEOUT', retryable: true },
  '57014': { code: 'TIMEOUT', retryable: true },
}

// Node reports these by `code`.
const SOCKET_CODES = new Set([
  'ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT', 'EPIPE', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOENT',
])

// pg says these only in words.
const PG_WAITED = /timeout exceeded when trying to connect|Query read timeout/
const PG_DROPPED = /Connection terminated|connection error and is not queryable|client was closed/i
const PG_REFUSED = /SSL|password|SASL/i

/** Turns whatever a driver threw into the StoreError that explains it. */
export function toStoreError(error: unknown, context?: string): StoreError {
  if (error instanceof StoreError) return error
  const sqlState = sqlStateOf(error)
  const known = sqlState === undefined ? undefined : BY_SQLSTATE[sqlState] ?? BY_SQLSTATE[sqlState.slice(0, 2)]
  const kind = known ?? (sqlState === undefined ? byTransport(error) : { code: 'DATABASE' as const })
  const message = [context, messageOf(error)].filter(Boolean).join(': ')
  return new StoreError(kind.code, kind.advice ? `${message} (${kind.advice})` : message, {
    cause: error,
    retryable: kind.retryable ?? false,
    details: sqlState === undefined ? {} : { sqlState },
  })
}

export function sqlStateOf(error: unknown): string | undefined {
  const source = error instanceof StoreError ? error.cause : error
  const code = (source as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && !SOCKET_CODES.has(code) ? code : undefined
}

function byTransport(error: unknown): { code: StoreErrorCode, retryable?: boolean, advice?: string } {
  const code = (error as { code?: unknown } | null | undefined)?.code
  const nested = error instanceof AggregateError ? error.errors : []
  if ([code, ...nested.map(each => (each as { code?: unknown })?.code)].some(each => SOCKET_CODES.has(String(each)))) {
    return { code: 'CONNECTION', retryable: true }
  }
  const message = messageOf(error)
  if (PG_WAITED.test(message)) return { code: 'TIMEOUT', retryable: true, advice: 'raise `poolSize` or the time-out' }
  if (PG_DROPPED.test(message)) return { code: 'CONNECTION', retryable: true }
  if (PG_REFUSED.test(message)) return { code: 'CONNECTION', advice: 'check the user, the password and `ssl`' }
  return { code: 'DATABASE' }
}
