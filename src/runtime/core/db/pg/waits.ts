import type { Pool } from 'pg'
import { StoreError, messageOf } from '../../shared/errors'
import { toConnectError } from '../errors'

const POOL_WAITED = 'timeout exceeded when trying to connect'
const CONNECT_WAITED = 'Connection terminated due to connection timeout'

/** The StoreError for a failure to get a connection from a pool; for time-outs it states what was waited for, and how long. */
export function connectFailure(error: unknown, pool: Pool, since: number): StoreError {
  const message = messageOf(error)
  if (message !== POOL_WAITED && message !== CONNECT_WAITED) return toConnectError(error)
  const waitedMs = Math.floor(performance.now() - since)
  const waited = `waited ${waitedMs.toLocaleString('en-US')} ms for`
  if (message === CONNECT_WAITED) {
    return new StoreError('CONNECTION', `${waited} a connection: the server did not answer (see connectionTimeoutMillis)`, {
      cause: error, retryable: true, details: { waitedMs },
    })
  }
  const { waitingCount, options: { max } } = pool
  return new StoreError('TIMEOUT', `${waited} one of ${max} connections: all of them are in use, and ${waitingCount} others wait (raise \`poolSize\`, shorten transactions, and use tx inside them)`, {
    cause: error, retryable: true, details: { waitedMs, connections: max, waiting: waitingCount },
  })
}
