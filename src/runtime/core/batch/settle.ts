import { StoreError } from '../shared/errors'
import type { Group, LoneOperation, Operation, Use } from './operation'

/** A call that somebody waits for. */
export interface Awaited<O = LoneOperation<unknown, unknown>> {
  operation: O
  input: unknown
  resolve(result: unknown): undefined
  reject(error: unknown): void
}

export type Shared = Awaited<Operation<unknown, unknown>>

/** Calls of one key that go out together. */
export interface Batched<C extends Awaited = Shared> extends Group<unknown> {
  calls: C[]
}

/** A connection was waited for in vain. */
export interface WaitError extends StoreError {
  details: { waitedMs: number }
}

/**
 * Sends calls in one statement and settles each of them, whatever happens. One that is refused is found by halves.
 * @returns why no connection came, when none did
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
    // The value of one of them: the halves go on without each other, until the guilty call is alone.
    if (groups.length === 1) return sendEach(use, calls, ordered)
    const middle = Math.ceil(groups.length / 2)
    // Together: a statement that failed by its time-out would else be followed by one that waits as long again.
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
    // Those behind one that got no connection have waited as long.
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
    const answers = results[at]
    if (answers === undefined) {
      refused.push(...calls)
      continue
    }
    checkCount(answers, calls)
    for (let of = 0; of < calls.length; of++) calls[of]!.resolve(answers[of])
  }
  return refused
}

function checkCount(answers: unknown[], asked: unknown[]): void {
  if (answers.length === asked.length) return
  throw new StoreError('DATABASE', `${asked.length} inputs got ${answers.length} answers: whether they were carried out is not known`)
}

/** The database said no, so nothing of the statement was kept. After a lost connection nobody knows. */
function isRolledBack(error: unknown): boolean {
  return error instanceof StoreError && (error.details.sqlState !== undefined || error.code === 'INVALID_VALUE') && error.code !== 'CONNECTION'
}

/** Nothing ended for as long as a connection is waited for. */
export function noRoom(waitMs: number, statements: number): WaitError {
  return new StoreError('TIMEOUT', `waited ${waitMs.toLocaleString('en-US')} ms for a connection: ${statements} calls before this one wait, most likely for locks of other transactions, and the last connection is left to others (shorten transactions, raise \`poolSize\`)`, {
    retryable: true, details: { waitedMs: waitMs, statements },
  }) as WaitError
}

const waitOf = (error: unknown): WaitError | undefined => isWait(error) ? error : undefined

const isWait = (error: unknown): error is WaitError => error instanceof StoreError && typeof error.details.waitedMs === 'number'
