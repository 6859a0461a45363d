import { STATUS_CODES } from 'node:http'
import { isStoreError } from 'nvent-store-postgres/core'

const statusOf: Record<string, number> = {
  INVALID_VALUE: 400,
  NOT_FOUND: 404,
  VERSION_CONFLICT: 409,
  INVALID_CALL: 409,
  CONNECTION: 503,
  TIMEOUT: 503,
  CLOSED: 503,
}

/** A message for the user, with the HTTP status and, for programs, a code. */
export function problem(statusCode: number, message: string, code?: string, cause?: unknown): Error {
  return createError({ statusCode, statusMessage: STATUS_CODES[statusCode], message, data: code && { code }, cause })
}

/** A StoreError as a problem with its own message and code. Other errors stay what they are. */
export function toProblem(error: unknown): unknown {
  return isStoreError(error) ? problem(statusOf[error.code] ?? 500, error.message, error.code, error) : error
}
