import { StoreError } from '../shared/errors'

/** The error of the database with the call it struck; any other error as it is. */
export function withOperation(error: unknown, operation: string, since: number): unknown {
  if (!(error instanceof StoreError) || !OF_CONNECTION.has(error.code) || error.details.operation !== undefined) return error
  const elapsedMs = Math.round(performance.now() - since)
  const { connections } = error.details
  // Those that wait for a connection have done nothing else: then the whole time is the time they waited.
  const message = connections === undefined
    ? `${operation} failed after ${inWords(elapsedMs)}: ${error.message}`
    : error.message.replace(/^waited [\d,]+ ms/, `${operation} waited ${inWords(elapsedMs)}`)
  return new StoreError(error.code, message, {
    cause: error.cause, retryable: error.retryable, details: { ...error.details, operation, elapsedMs },
  })
}

const OF_CONNECTION = new Set(['CONNECTION', 'TIMEOUT'])

const inWords = (ms: number) => `${ms.toLocaleString('en-US')} ms`
