import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import fc from 'fast-check'
import type { Store } from '../../src/runtime/core/types'
import type { TransactionApi } from '../../src/runtime/core/transaction/types'
import type { Oracle } from './oracle'

/** Sequences per property, other ones in each run: `MODEL_RUNS=2000` searches longer. */
export const RUNS = Number(process.env.MODEL_RUNS ?? 40)
/** `MODEL_SEED` repeats a search. */
export const SEED = Number(process.env.MODEL_SEED ?? randomBytes(4).readInt32LE())

const MAX_STEPS = 24

/** What steps work on: the store itself, or one transaction of it. */
export type Place = Pick<TransactionApi, 'stream' | 'index' | 'kv'>

/** One sequence under way. */
export interface Run<Step> {
  store: Store
  oracle: Oracle
  /** Makes one step on store and oracle and compares what they answer. */
  take(place: Place, step: Step): Promise<void>
  /** Compares all that can be seen at the end. */
  compare(): Promise<void>
  /** Removes what would be in the way of the next sequence. */
  clean?(): Promise<unknown>
}

export interface Sequences<Step> {
  step: fc.Arbitrary<Step>
  /** Each sequence begins with these. */
  first: fc.Arbitrary<Step>[]
  /** False for a step that has no place in a transaction. Default: all have. */
  inTransaction?: (step: Step) => boolean
  runs?: number
}

/** Steps in one database transaction, which commits or is rolled back at its end. */
interface TransactionStep<Step> { transaction: Step[], commit: boolean }

/** Checks random sequences of operations, and says how to repeat a search that found something. */
export async function checkSequences<Step extends object>(
  { step, first, inTransaction = () => true, runs = RUNS }: Sequences<Step>,
  begin: () => Run<Step>,
): Promise<void> {
  const transaction: fc.Arbitrary<TransactionStep<Step>> = fc.record({
    transaction: fc.array(step.filter(each => inTransaction(each) && isCalm(each)), { minLength: 1, maxLength: 6 }),
    commit: fc.boolean(),
  })
  const more = fc.array(
    fc.oneof({ weight: 25, arbitrary: step }, { weight: 1, arbitrary: transaction }),
    { minLength: 1, maxLength: MAX_STEPS, size: 'max' },
  )
  const sequence = fc.tuple(fc.tuple(...first), more).map(([beginning, rest]) => [...beginning, ...rest])
  await fc.assert(fc.asyncProperty(sequence, async (steps) => {
    const run = begin()
    try {
      for (const step of steps) {
        if ('transaction' in step) await takeTransaction(run, step)
        else await run.take(run.store, step)
      }
      await run.compare()
    }
    finally {
      await run.clean?.()
    }
  }), { numRuns: runs, seed: SEED })
}

// PostgreSQL gives a transaction up at the first sum it can't hold: such numbers stay outside
const isCalm = (step: unknown): boolean => !inspect(step, { depth: 9 }).includes('e+308')

async function takeTransaction<Step>(run: Run<Step>, { transaction, commit }: TransactionStep<Step>): Promise<void> {
  const undo = run.oracle.mark()
  const rollback = new Error('rolled back')
  try {
    await run.store.transaction(async (tx) => {
      for (const step of transaction) await run.take(tx, step)
      if (!commit) throw rollback
    })
  }
  catch (error) {
    if (error !== rollback) throw error
    undo()
  }
}
