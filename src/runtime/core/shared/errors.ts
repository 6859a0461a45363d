/** Everything a {@link StoreError} can stand for. The code is stable; the message may improve. */
export type StoreErrorCode
  = | 'INVALID_OPTION'
    | 'INVALID_VALUE'
    | 'INVALID_CALL'
    | 'NOT_FOUND'
    | 'VERSION_CONFLICT'
    | 'ARCHIVED'
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
  /** The values the message speaks of, for programs. Never a secret. */
  details?: Record<string, unknown>
  /** The error this one explains. */
  cause?: unknown
  /** Whether the same call may succeed when it is made again. Default: false. */
  retryable?: boolean
}

// What the client may mend is its fault; what passes by itself is no fault of the code. All others are the server's.
const STATUS: Partial<Record<StoreErrorCode, number>> = {
  INVALID_VALUE: 400, NOT_FOUND: 404, VERSION_CONFLICT: 409, ARCHIVED: 409, CONNECTION: 503, TIMEOUT: 503, CLOSED: 503, DATABASE_LOCKED: 503,
}

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

  /** The status a route answers with that does not catch this error: h3 reads it. */
  get statusCode(): number {
    return STATUS[this.code] ?? (this.retryable ? 503 : 500)
  }

  /** The same, by the name h3 2 has for it. */
  get status(): number {
    return this.statusCode
  }
}

export function isStoreError(error: unknown): error is StoreError {
  return error instanceof StoreError
}

/** The argument `name` was refused: `problem` says why, in words that follow the name. */
export function invalidValue(name: string, problem: string, details: Record<string, unknown> = {}, cause?: unknown): StoreError {
  return new StoreError('INVALID_VALUE', `${name} ${problem}`, { details: { argument: name, ...details }, cause })
}

export function invalidOption(name: string, problem: string): StoreError {
  return new StoreError('INVALID_OPTION', `option \`${name}\` ${problem}`, { details: { option: name } })
}

export function closedError(): StoreError {
  return new StoreError('CLOSED', 'the store is closed: calls after close() are refused')
}

/** What is thrown may have the members of an error, and be none. */
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
    // Anything can be thrown, also what has no text.
    return `a value of type ${typeof error}`
  }
}
