import { setTimeout as sleep } from 'node:timers/promises'
import type { TierScope } from '../batch/tierScope'
import type { AtomicOptions, Session } from '../db/types'
import { createBackoff } from '../shared/backoff'
import { checkFunction, checkMilliseconds, checkOptions } from '../shared/checks'
import { StoreError, invalidValue } from '../shared/errors'
import { isInside, runInside } from '../shared/inside'
import { encodeJson } from '../shared/json'
import type { StatementContext } from '../sql/template'
import { createDedupeCalls, takenKey } from './api'
import type { TakenRow } from './api'
import { keepResult, lockWork, readKeys, tryLockWork } from './sql'
import type { TakenKey } from './sql'
import { ONCE_OPTIONS } from './types'
import type { DedupeApi, OnceOptions, TransactionDedupe } from './types'

const WAIT_MS = 60_000
const IDLE_MS = 60_000
const PAUSES = { first: 5, max: 200, jitter: [0.5, 1.5] as [number, number] }

/** Runs work in a transaction of its own. */
type Within<Tx> = <R>(operation: string, work: (tx: Tx, session: Session) => Promise<R>, options: Pick<AtomicOptions, 'idleTimeout'>) => Promise<R>

/** The work of a key in this process. */
interface Run {
  ended: Promise<unknown>
  /** When it counts as stuck, by `performance.now()`: the server has ended its transaction, unless it goes on. */
  stuckAt: number
}

export function createDedupe<Tx>(scope: TierScope, within: Within<Tx>): DedupeApi<Tx> {
  const { context } = scope
  const { keys, read } = createDedupeCalls(scope)
  const runs = new Map<string, Run>()

  /** Undefined: another process has the lock. A repeat holds no connection while it waits. */
  const attempt = (taken: TakenKey, work: (tx: Tx) => Promise<unknown>, idleTimeout: number) => within('dedupe.work', async (tx, session) => {
    const { rows: [lock] } = await session.query<{ mine: boolean }>(tryLockWork(context, taken.key))
    return lock!.mine ? workOnce(context, work => work(session), taken, () => work(tx)) : undefined
  }, { idleTimeout })

  function run(taken: TakenKey, work: (tx: Tx) => Promise<unknown>, idleMs: number): Promise<string | undefined> {
    const { key } = taken
    const own: Run = { ended: Promise.resolve(), stuckAt: performance.now() + idleMs }
    const result = runInside(own, () => attempt(taken, work, idleMs)).finally(() => {
      if (runs.get(key) === own) runs.delete(key)
    })
    own.ended = result.catch(() => undefined)
    runs.set(key, own)
    return result
  }

  return {
    ...keys,
    async once<T>(key: string, ttlMs: number, work: (tx: Tx) => Promise<T>, given?: OnceOptions) {
      const taken = takenKey(key, ttlMs)
      checkFunction('work', work)
      const options = checkOptions('options', given, ONCE_OPTIONS)
      const waitMs = checkMilliseconds('options.waitMs', options.waitMs ?? WAIT_MS)
      const idleMs = checkMilliseconds('options.idleMs', options.idleMs ?? IDLE_MS, 1)
      const since = performance.now()
      const pauses = createBackoff(PAUSES)
      for (;;) {
        const row = await read(key)
        if (row) return resultOf<T>(key, row)
        const running = runs.get(key)
        if (running && isInside(running)) throw insideItself(key)
        if (!running || performance.now() > running.stuckAt) {
          const json = await run(taken, work, idleMs)
          if (json !== undefined) return JSON.parse(json) as T
        }
        const leftMs = since + waitMs - performance.now()
        if (leftMs <= 0) throw waitedFor(key, waitMs)
        await pause(Math.min(pauses.next(), leftMs), running?.ended)
      }
    },
  }
}

/** The same calls in a transaction, which the database ends when it waits for one that waits for it. */
export function createTransactionDedupe(scope: TierScope): TransactionDedupe {
  return {
    ...createDedupeCalls(scope).keys,
    async once<T>(key: string, ttlMs: number, work: () => Promise<T>, options?: unknown) {
      const taken = takenKey(key, ttlMs)
      checkFunction('work', work)
      if (options !== undefined) throw invalidValue('options', 'can\'t be given in a transaction, whose own limits hold')
      await scope.use(session => session.query(lockWork(scope.context, key)))
      return JSON.parse(await workOnce(scope.context, scope.use, taken, work)) as T
    },
  }
}

/** Under the lock of the key: the result that is kept, or that of the work, as JSON. */
async function workOnce(
  context: StatementContext, use: <R>(work: (session: Session) => Promise<R>) => Promise<R>, taken: TakenKey, work: () => Promise<unknown>,
): Promise<string> {
  const { key } = taken
  const { rows: [row] } = await use(session => session.query<TakenRow>(readKeys(context, [key])))
  if (row) return keptResult(key, row)
  const result = await work()
  const json = encodeJson(result === undefined ? null : result, 'the result of work')
  const { rows } = await use(session => session.query(keepResult(context, taken, json)))
  if (rows.length === 0) throw takenWithoutResult(key)
  return json
}

function keptResult(key: string, { result }: TakenRow): string {
  if (result === null) throw takenWithoutResult(key)
  return result
}

const resultOf = <T>(key: string, row: TakenRow): T => JSON.parse(keptResult(key, row)) as T

/** Until the work of this process ends, or some milliseconds have passed. */
async function pause(ms: number, ended: Promise<unknown> | undefined): Promise<void> {
  const timer = new AbortController()
  const over = sleep(ms, undefined, { signal: timer.signal }).catch(() => undefined)
  await (ended ? Promise.race([ended, over]) : over)
  timer.abort()
}

const takenWithoutResult = (key: string) =>
  new StoreError('INVALID_CALL', `key ${JSON.stringify(key)} was taken by claim() or mark(), which keep no result for once(): use another key, or release() it first`, { details: { key } })

const insideItself = (key: string) =>
  new StoreError('INVALID_CALL', `once() inside the work of the same key ${JSON.stringify(key)} would wait for itself: use another key`, { details: { key } })

const waitedFor = (key: string, waitMs: number) =>
  new StoreError('TIMEOUT', `waited ${waitMs.toLocaleString('en-US')} ms for the first call of once() with key ${JSON.stringify(key)}, whose work still runs: call again, or wait longer with \`waitMs\``, {
    retryable: true, details: { key, waitMs },
  })
