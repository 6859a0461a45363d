import { setTimeout as sleep } from 'node:timers/promises'
import { createBackoff } from '../shared/backoff'
import { checkCount, checkOptions, checkWord } from '../shared/checks'
import { isEndedByOthers } from '../db/errors'
import type { IsolationLevel } from '../db/types'
import type { TransactionOptions } from './types'
import { TRANSACTION_OPTIONS } from './types'

const LEVELS: IsolationLevel[] = ['read committed', 'repeatable read', 'serializable']
const DEFAULT_RETRIES = 3
const FIRST_PAUSE_MS = 10
const MAX_PAUSE_MS = 1_000

export interface CheckedTransactionOptions {
  isolation: IsolationLevel | undefined
  retries: number
}

export function checkTransactionOptions(options: TransactionOptions | undefined): CheckedTransactionOptions {
  const { isolation, retries = DEFAULT_RETRIES } = checkOptions('options', options, TRANSACTION_OPTIONS)
  if (isolation !== undefined) checkWord('options.isolation', isolation, LEVELS)
  return { isolation, retries: checkCount('options.retries', retries) }
}

/** Retries a transaction after a serialization failure or a deadlock; any other error is passed on to the caller. */
export async function withRetries<T>(retries: number, run: () => Promise<T>): Promise<T> {
  const backoff = createBackoff({ first: FIRST_PAUSE_MS, max: MAX_PAUSE_MS, jitter: [0.5, 1.5] })
  for (;;) {
    try {
      return await run()
    }
    catch (error) {
      if (backoff.pauses >= retries || !isEndedByOthers(error)) throw error
      await sleep(backoff.next())
    }
  }
}
