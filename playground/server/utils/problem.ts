import { isStoreError } from 'nvent-store-postgres/core'

const statusCodes: Record<string, number> = {
  INVALID_VALUE: 400,
  NOT_FOUND: 404,
  VERSION_CONFLICT: 409,
  CONNECTION: 503,
  TIMEOUT: 503,
  CLOSED: 503,
}

/** A StoreError as an HTTP problem a person can read: its message and its code. Other errors stay what they are. */
export function toProblem(error: unknown): unknown {
  if (!isStoreError(error)) return error
  return createError({
    statusCode: statusCodes[error.code] ?? 500,
    message: error.message,
    data: { code: error.code, retryable: error.retryable },
    cause: error,
  })
}
