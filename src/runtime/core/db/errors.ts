import { StoreError, messageOf } from '../shared/errors'
import type { StoreErrorCode } from '../shared/errors'

interface Meaning {
  code: StoreErrorCode
  retryable?: boolean
  advice?: string
}

// The store continues without prepared statements; only the transaction in which the error occurred is lost.
const LOST_NAME: Meaning = { code: 'DATABASE', retryable: true, advice: 'prepared statements get lost on the way, as behind a pooler in transaction mode: set `prepare: false`' }
const GONE: Meaning = { code: 'CONNECTION', retryable: true }

/** The meaning of an SQLSTATE, or of its first characters (its class), for a statement that failed. */
const BY_SQLSTATE: Record<string, Meaning> = {
  '08': GONE,
  '22': { code: 'INVALID_VALUE' },
  // A standby, or a primary that became one. Its connections are useless until it is promoted.
  '25006': { code: 'CONNECTION', retryable: true, advice: 'the server is a standby or read-only: connect to the primary' },
  '25P03': { code: 'TIMEOUT', retryable: true, advice: 'the transaction waited too long between two of its statements' },
  '25P04': { code: 'TIMEOUT', retryable: true },
  '26000': LOST_NAME,
  '40': { code: 'DATABASE', retryable: true, advice: 'the same transaction may succeed when it is run again' },
  '53': { code: 'DATABASE', retryable: true, advice: 'the server is out of memory or disk' },
  '53300': { code: 'CONNECTION', retryable: true, advice: 'the server is out of connections' },
  '54': { code: 'INVALID_VALUE', advice: 'the value is larger or deeper than PostgreSQL can take' },
  '57P': GONE,
  '42501': { code: 'DATABASE', advice: 'the role lacks a right; `npx nvent-store doctor` prints the SQL that grants what the store needs' },
  '42P05': LOST_NAME,
  '42P01': { code: 'DATABASE', advice: 'the schema is not what this version expects; run `npx nvent-store migrate`' },
  '55P03': { code: 'TIMEOUT', retryable: true },
  '57014': { code: 'TIMEOUT', retryable: true },
}

const BAD_SETTING: Meaning = { code: 'CONNECTION', advice: 'check the settings in `options` of the connection' }

/** Reasons to refuse connections that last until the configuration is changed. All other reasons may be temporary. */
const REFUSALS: Record<string, Meaning> = {
  '28': { code: 'CONNECTION', advice: 'check user, password and pg_hba.conf' },
  '3D': { code: 'CONNECTION', advice: 'create the database first' },
  '22023': BAD_SETTING,
  '42501': { code: 'CONNECTION', advice: 'grant the role the right to connect, and to what `options` of the connection sets' },
  '42704': BAD_SETTING,
}

// The table was changed after the statement had been prepared; preparing it again helps.
const OUTDATED_PLAN = '0A000'
const PLAN_CHANGED = 'RevalidateCachedQuery'
const PLAN: Meaning = { code: 'DATABASE', retryable: true, advice: 'a table was changed meanwhile' }
// Protocol violation: by a statement whose parameters do not match its text, or by a pooler.
const PROTOCOL = '08P01'
const PARAMETERS: Meaning = { code: 'INVALID_VALUE', advice: 'a statement takes the parameters it names, and 65,535 of them at most' }

const SYNTAX = '42601'
const PARSING_MESSAGE = 'exec_parse_message'
const SEVERAL: Meaning = { code: 'INVALID_CALL', advice: 'query() takes one statement at a time' }

// Network errors, by the `code` of Node.
const SOCKET_CODES = new Set([
  'ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT', 'EPIPE', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOENT',
])

// EPERM and EPIPE have five letters, but are not SQLSTATEs.
const SYSTEM_CODE = /^E[A-Z]+$/

// The certificate of the server does not meet the `ssl` options. OpenSSL's names, as Node reports them.
const CERTIFICATE_CODES = /^(?:ERR_TLS_CERT_|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|HOSTNAME_MISMATCH|INVALID_CA)/

// Poolers use one SQLSTATE for everything they refuse, so the message decides.
const POOLER_REFUSED = /unsupported startup parameter/
const REFUSED_PARAMETER: Meaning = { code: 'CONNECTION', advice: 'a connection pooler takes no such setting from `connection`: give it to the role (`alter role … set statement_timeout = …`), or to the pooler\'s ignore_startup_parameters' }

const CERTIFICATE: Meaning = { code: 'CONNECTION', advice: 'the server\'s certificate was refused: `ssl.ca` has to hold the authority that signed it, and the host has to be one of its names' }

// pg reports these errors without a code, so the message decides.
const PG_WAITED = /timeout exceeded when trying to connect/
const PG_NO_ANSWER = /Query read timeout/
const PG_DROPPED = /Connection terminated|connection error and is not queryable|client was closed/i
const PG_REFUSED = /does not support SSL|Password must be a string|^SASL/i
const PG_ENDED = /after calling end on the pool/
const CREDENTIALS: Meaning = { code: 'CONNECTION', advice: 'check the user, the password and `ssl`' }
const POOL_ENDED: Meaning = { code: 'CONNECTION', advice: 'the application has ended its own pool' }

/** Converts an error of a driver into a StoreError with a code and advice. */
export function toStoreError(error: unknown, context?: string): StoreError {
  if (error instanceof StoreError) return error
  const sqlState = sqlStateOf(error)
  return explained(error, sqlState === undefined ? byTransport(error) : bySqlState(sqlState, error as ServerError), context)
}

/** The StoreError for a failed attempt to connect. Unknown errors count as CONNECTION. */
export function toConnectError(error: unknown): StoreError {
  return error instanceof StoreError ? error : explained(error, refusalOf(error) ?? GONE)
}

/** The StoreError for a statement whose connection broke before the answer came. */
export function toLossError(error: unknown): StoreError {
  const known = toStoreError(error)
  return known.code === 'DATABASE' && sqlStateOf(error) === undefined ? explained(error, GONE) : known
}

function explained(error: unknown, { code, retryable = false, advice }: Meaning, context?: string): StoreError {
  const sqlState = sqlStateOf(error)
  const message = [context, messageOf(error)].filter(Boolean).join(': ')
  return new StoreError(code, advice ? `${message} (${advice})` : message, {
    cause: error,
    retryable,
    details: sqlState === undefined ? {} : { sqlState },
  })
}

interface ServerError {
  severity?: string
  /** The function of PostgreSQL that raised the error. Errors of poolers have none. */
  routine?: string
}

function bySqlState(sqlState: string, error: ServerError): Meaning {
  if (sqlState === OUTDATED_PLAN && error.routine === PLAN_CHANGED) return PLAN
  if (sqlState === PROTOCOL && error.routine !== undefined && !isFatal(error)) return PARAMETERS
  if (sqlState === SYNTAX && error.routine === PARSING_MESSAGE) return SEVERAL
  const meaning = meaningIn(BY_SQLSTATE, sqlState)
  if (isFatal(error)) return meaning?.code === 'TIMEOUT' ? meaning : refusalOf(error) ?? GONE
  // An error without a severity does not come from PostgreSQL itself.
  const refusal = error.severity === undefined ? refusalOf(error) : undefined
  return meaning ?? refusal ?? { code: 'DATABASE' }
}

const meaningIn = (meanings: Record<string, Meaning>, sqlState: string): Meaning | undefined =>
  meanings[sqlState] ?? meanings[sqlState.slice(0, 3)] ?? meanings[sqlState.slice(0, 2)]

function refusalOf(error: unknown): Meaning | undefined {
  const message = messageOf(error)
  if (POOLER_REFUSED.test(message)) return REFUSED_PARAMETER
  const sqlState = sqlStateOf(error)
  if (sqlState !== undefined) return meaningIn(REFUSALS, sqlState)
  if (CERTIFICATE_CODES.test(String((error as { code?: unknown } | null | undefined)?.code))) return CERTIFICATE
  if (PG_ENDED.test(message)) return POOL_ENDED
  return PG_REFUSED.test(message) ? CREDENTIALS : undefined
}

/** Whether the server has ended the connection together with the statement. */
const isFatal = ({ severity }: ServerError): boolean => severity === 'FATAL' || severity === 'PANIC'

/** Whether the connection on which an error occurred is useless: it is broken, does not answer, or leads to a standby. */
export function isUseless(error: unknown): error is StoreError {
  return error instanceof StoreError
    && (error.code === 'CONNECTION' || isFatal((error.cause ?? {}) as ServerError) || PG_NO_ANSWER.test(messageOf(error.cause)))
}

// Serialization failure and deadlock.
const ENDED_BY_OTHERS = new Set(['40001', '40P01'])

/** Whether PostgreSQL ended a transaction because of concurrent ones. Nothing of it was kept, and a retry may succeed. */
export function isEndedByOthers(error: unknown): boolean {
  return ENDED_BY_OTHERS.has(sqlStateOf(error) ?? '')
}

/** Whether a statement failed because its table was changed after it had been prepared. Nothing of it was carried out. */
export function isPlanOutdated(error: unknown): boolean {
  return error instanceof StoreError && sqlStateOf(error) === OUTDATED_PLAN && (error.cause as ServerError).routine === PLAN_CHANGED
}

/** Whether the database refused a call with this SQLSTATE; also true for the error of a migration that failed because of it. */
export const failedWith = (error: unknown, sqlState: string): boolean => error instanceof StoreError && error.details.sqlState === sqlState

export function sqlStateOf(error: unknown): string | undefined {
  const source = error instanceof StoreError ? error.cause : error
  const code = (source as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && !SYSTEM_CODE.test(code) ? code : undefined
}

function byTransport(error: unknown): Meaning {
  const code = (error as { code?: unknown } | null | undefined)?.code
  const nested = error instanceof AggregateError ? error.errors : []
  if ([code, ...nested.map(each => (each as { code?: unknown })?.code)].some(each => SOCKET_CODES.has(String(each)))) return GONE
  const message = messageOf(error)
  if (PG_WAITED.test(message)) return { code: 'TIMEOUT', retryable: true, advice: 'all connections are in use: raise `poolSize`' }
  if (PG_NO_ANSWER.test(message)) {
    return { code: 'TIMEOUT', retryable: true, advice: 'no answer came: whether the statement was carried out is not known' }
  }
  if (PG_DROPPED.test(message)) return GONE
  return refusalOf(error) ?? { code: 'DATABASE' }
}

/** The name of the violated constraint. */
export function constraintOf(error: unknown): string | undefined {
  const source = error instanceof StoreError ? error.cause : error
  return (source as { constraint?: string } | null | undefined)?.constraint
}
