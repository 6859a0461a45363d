import { StoreError } from '../shared/errors'

/** Adds the name and duration of the call to a connection or timeout error; any other error is returned unchanged. */
export function withOperation(error: unknown, operation: string, since: number): unknown {
  if (!(error instanceof StoreError) || !OF_CONNECTION.has(error.code) || error.details.operation !== undefined) return error
  const elapsedMs = Math.round(performance.now() - since)
  const { connections } = error.details
  // A call that waited for a connection has done nothing else, so its whole duration is the time it waited.
  const message = connections === undefined
    ? `${operation} failed after ${inWords(elapsedMs)}: ${error.message}`
    : error.message.replace(/^waited [\d,]+ ms/, `${operation} waited ${inWords(elapsedMs)}`)
  return new StoreError(error.code, message, {
    cause: error.cause, retryable: error.retryable, details: { ...error.details, operation, elapsedMs },
  })
}

const OF_CONNECTION = new Set(['CONNECTION', 'TIMEOUT'])

const inWords = (ms: number) => `${ms.toLocaleString('en-US')} ms`
