import type { Session } from '../db/types'
import type { StatementContext } from '../sql/template'
import { sweepKeys } from '../dedupe/sql'
import { sweepValues } from '../kv/sql'
import { compactCounts } from '../entries/page'
import type { Capability } from '../shared/types'
import { isClosed, repeating } from './repeat'
import type { BackgroundOutcome, Repeat } from './repeat'
import type { TryExclusively } from './jobLock'

const STEP = 1_000
const COUNTS_STEP = 100_000
const PAGES_STEP = 64
// A run reads 32 MB of keys in vain at most; the next one goes on behind them.
const VAIN_STEPS = 64

export interface SweepOutcome extends BackgroundOutcome {
  removed: number
}

/** Undefined: another instance holds the job lock. */
type SweepStep = (session: Session) => Promise<{ removed: number, isLast: boolean }>

/**
 * A periodic job, in bounded steps, on one instance at a time: deletes expired keys and merges rows of entry counts.
 * All of it only frees space: reads ignore expired keys and add up the counts themselves.
 */
export function createSweep(
  context: StatementContext, tryExclusively: TryExclusively, options: Repeat & { onEnd(outcome: SweepOutcome): void },
): Capability {
  const values: SweepStep = async (session) => {
    const { count } = await session.query(sweepValues(context, STEP))
    return { removed: count, isLast: count < STEP }
  }
  const walk = createKeyWalk(context)
  return repeating(options, async () => {
    let removed = 0
    try {
      for (const step of [values, walk()]) {
        for (let isLast = false; !isLast;) {
          const done = await tryExclusively(step)
          if (!done) return options.onEnd({ removed, busy: true })
          removed += done.removed
          isLast = done.isLast
        }
      }
      await tryExclusively(session => session.query(compactCounts(context, COUNTS_STEP)))
      options.onEnd({ removed })
    }
    catch (error) {
      if (!isClosed(error)) options.onEnd({ removed, error })
    }
  })
}

/**
 * Goes over the table of claimed keys page by page, as no index knows which have expired: once round at most in a run, and
 * no further when it finds little. `walk()`: the steps of one run.
 */
function createKeyWalk(context: StatementContext): () => SweepStep {
  let at = 0
  return () => {
    let [walked, vain] = [0, 0]
    return async (session) => {
      const { rows: [row] } = await session.query<{ removed: number, pages: number }>(sweepKeys(context, at, PAGES_STEP))
      const { removed, pages } = row!
      walked += PAGES_STEP
      at = at + PAGES_STEP < pages ? at + PAGES_STEP : 0
      if (removed === 0) vain++
      return { removed, isLast: walked >= pages || vain === VAIN_STEPS }
    }
  }
}
