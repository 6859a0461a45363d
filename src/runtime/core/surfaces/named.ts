import { StoreError } from '../errors'

/** Makes the calls of a tier say in errors of the connection which call they struck, and after how long. */
export function named<S extends object>(tier: string, surface: S): S {
  return Object.fromEntries(Object.entries(surface).map(([name, call]) => [name, namedCall(`${tier}.${name}`, call as AnyCall)])) as S
}

type AnyCall = (...args: unknown[]) => unknown

function namedCall(operation: string, call: AnyCall): AnyCall {
  return (...args) => {
    const since = performance.now()
    const result = call(...args)
    return result instanceof Promise
      ? result.catch((error: unknown) => {
          throw withOperation(error, operation, since)
        })
      : result
  }
}

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
