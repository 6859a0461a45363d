import { StoreError } from '../shared/errors'
import type { StoreErrorCode } from '../shared/errors'
import type { Group, LoneOperation, Operation, Use } from './operation'

/** A call that has not settled. */
export interface Awaited<O = LoneOperation<unknown, unknown>> {
  operation: O
  input: unknown
  resolve(result: unknown): undefined
  reject(error: unknown): void
}

export type Shared = Awaited<Operation<unknown, unknown>>

/** Calls of one key that are sent together. */
export interface Batched<C extends Awaited = Shared> extends Group<unknown> {
  calls: C[]
}

// Errors of the store itself that end the transaction of a statement.
const ROLLED_BACK = new Set<StoreErrorCode>(['INVALID_VALUE', 'PROJECTION_FAILED', 'PROJECTION_MISSING'])

/** Waiting for a connection has timed out. */
export interface WaitError extends StoreError {
  details: { waitedMs: number }
}

/**
 * Sends calls in one statement and settles each of them, whatever happens. When the statement fails because of one input,
 * bisection finds it, and only its call rejects.
 * @returns the error when waiting for a connection timed out
 */
export async function sendTogether(use: Use, groups: Batched[], ordered: boolean): Promise<WaitError | undefined> {
  const [{ calls, calls: [first] }] = groups as [Batched]
  if (groups.length === 1 && calls.length === 1) return sendOne(use, first!)
  let refused: Shared[]
  try {
    refused = settle(groups, await use((session, tables) => first!.operation.many(session, tables, groups)))
  }
  catch (error) {
    if (!isRolledBack(error)) {
      groups.forEach(group => group.calls.forEach(call => call.reject(error)))
      return waitOf(error)
    }
    // One of the inputs was refused. Both halves are sent separately, until the refused call is alone.
    if (groups.length === 1) return sendEach(use, calls, ordered)
    const middle = Math.ceil(groups.length / 2)
    // In parallel: after a statement has timed out, its halves would otherwise wait for the time-out one after the other.
    const waits = await Promise.all([groups.slice(0, middle), groups.slice(middle)].map(half => sendTogether(use, half, ordered)))
    return waits.find(wait => wait !== undefined)
  }
  return sendEach(use, refused, ordered)
}

export function sendOne(use: Use, { operation, input, resolve, reject }: Awaited): Promise<WaitError | undefined> {
  const failed = (error: unknown) => {
    reject(error)
    return waitOf(error)
  }
  try {
    return use((session, tables) => operation.one(session, tables, input)).then(resolve, failed)
  }
  catch (error) {
    return Promise.resolve(failed(error))
  }
}

async function sendEach(use: Use, calls: Shared[], ordered: boolean): Promise<WaitError | undefined> {
  if (!ordered) return (await Promise.all(calls.map(call => sendOne(use, call)))).find(wait => wait !== undefined)
  let wait: WaitError | undefined
  for (const call of calls) {
    // After a time-out the following calls have waited just as long.
    if (wait) call.reject(wait)
    else wait = await sendOne(use, call)
  }
  return wait
}

/** @returns the calls that have to be sent one by one */
function settle(groups: Batched[], results: (unknown[] | undefined)[]): Shared[] {
  const refused: Shared[] = []
  checkCount(results, groups)
  for (const [at, { calls }] of groups.entries()) {
    const ofCalls = results[at]
    if (ofCalls === undefined) {
      refused.push(...calls)
      continue
    }
    checkCount(ofCalls, calls)
    for (let of = 0; of < calls.length; of++) calls[of]!.resolve(ofCalls[of])
  }
  return refused
}

function checkCount(results: unknown[], inputs: unknown[]): void {
  if (results.length === inputs.length) return
  throw new StoreError('DATABASE', `${inputs.length} inputs got ${results.length} results: whether they were carried out is not known`)
}

/** Whether the database refused the statement, so that none of it was kept. After a lost connection that is unknown. */
function isRolledBack(error: unknown): boolean {
  return error instanceof StoreError && (error.details.sqlState !== undefined || ROLLED_BACK.has(error.code)) && error.code !== 'CONNECTION'
}

/** No running statement ended within the time a call waits for a connection. */
export function noRoom(waitMs: number, statements: number): WaitError {
  return new StoreError('TIMEOUT', `waited ${waitMs.toLocaleString('en-US')} ms for a connection: ${statements} calls before this one wait, most likely for locks of other transactions, and the last connection is left to others (shorten transactions, raise \`poolSize\`)`, {
    retryable: true, details: { waitedMs: waitMs, statements },
  }) as WaitError
}

const waitOf = (error: unknown): WaitError | undefined => isWait(error) ? error : undefined

const isWait = (error: unknown): error is WaitError => error instanceof StoreError && typeof error.details.waitedMs === 'number'
