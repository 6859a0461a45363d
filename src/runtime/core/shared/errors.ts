/** Everything a {@link StoreError} can stand for. The code is stable; the message may improve. */
export type StoreErrorCode
  = | 'INVALID_OPTION'
    | 'INVALID_VALUE'
    | 'INVALID_CALL'
    | 'NOT_FOUND'
    | 'VERSION_CONFLICT'
    | 'ARCHIVED'
    | 'EXHAUSTED'
    | 'PROJECTION_FAILED'
    | 'PROJECTION_MISSING'
    | 'LEASE_LOST'
    | 'MIGRATION_FAILED'
    | 'SCHEMA_TOO_NEW'
    | 'SCHEMA_BEHIND'
    | 'MISSING_DRIVER'
    | 'DATABASE_LOCKED'
    | 'CONNECTION'
    | 'TIMEOUT'
    | 'CLOSED'
    | 'DATABASE'

export interface StoreErrorOptions {
  /** The values in the message, for programs. Never contains secrets. */
  details?: Record<string, unknown>
  /** The underlying error. */
  cause?: unknown
  /** Whether the same call may succeed when it is retried. Default: false. */
  retryable?: boolean
}

// 4xx: the client can correct its request. 503: the condition is temporary. All other codes are server errors (500).
const STATUS: Partial<Record<StoreErrorCode, number>> = {
  INVALID_VALUE: 400, NOT_FOUND: 404, VERSION_CONFLICT: 409, ARCHIVED: 409, LEASE_LOST: 409, CONNECTION: 503, TIMEOUT: 503, CLOSED: 503, DATABASE_LOCKED: 503,
}

/** Whether the code of an app is being loaded: no error is the fault of a request then. */
export const loading = { isUnderWay: false }

/** The only error the store throws: what happened and what to do, with a `code` for programs. */
export class StoreError extends Error {
  override readonly name = 'StoreError'
  readonly code: StoreErrorCode
  readonly details: Record<string, unknown>
  readonly retryable: boolean

  constructor(code: StoreErrorCode, message: string, options: StoreErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.details = options.details ?? {}
    this.retryable = options.retryable ?? false
  }

  /** HTTP status that h3 responds with when a route does not catch this error. */
  get statusCode(): number {
    return loading.isUnderWay ? 500 : STATUS[this.code] ?? (this.retryable ? 503 : 500)
  }

  /** The same status under the name that h3 2 reads. */
  get status(): number {
    return this.statusCode
  }
}

export function isStoreError(error: unknown): error is StoreError {
  return error instanceof StoreError
}

/** Error for a refused argument. `problem` continues the sentence that begins with `name`. */
export function invalidValue(name: string, problem: string, details: Record<string, unknown> = {}, cause?: unknown): StoreError {
  return new StoreError('INVALID_VALUE', `${name} ${problem}`, { details: { argument: name, ...details }, cause })
}

export function invalidOption(name: string, problem: string): StoreError {
  return new StoreError('INVALID_OPTION', `option \`${name}\` ${problem}`, { details: { option: name } })
}

export function closedError(): StoreError {
  return new StoreError('CLOSED', 'the store is closed: calls after close() are refused')
}

/** A thrown value can have the members of an error without being an `Error`. */
function textOf(thrown: unknown): string {
  const { message, name, errno } = (thrown ?? {}) as { message?: unknown, name?: unknown, errno?: unknown }
  if (typeof message === 'string' && message !== '') return message
  return errno === undefined ? String(thrown) : `${typeof name === 'string' ? name : 'error'} ${String(errno)}`
}

export function messageOf(error: unknown): string {
  try {
    if (error instanceof AggregateError && error.errors.length > 0) return error.errors.map(messageOf).join('; ')
    return error instanceof Error ? error.message || error.name : textOf(error)
  }
  catch {
    // A thrown value may not be convertible to a string.
    return `a value of type ${typeof error}`
  }
}
