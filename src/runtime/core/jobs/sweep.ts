import type { StatementContext } from '../sql/template'
import { sweepValues } from '../kv/sql'
import { compactCounts } from '../entries/page'
import type { Capability } from '../shared/types'
import { isClosed, repeating } from './repeat'
import type { BackgroundOutcome, Repeat } from './repeat'
import type { TryExclusively } from './jobLock'

const STEP = 1_000
const COUNTS_STEP = 100_000

export interface SweepOutcome extends BackgroundOutcome {
  removed: number
}

/**
 * Now and then, in bounded steps, on one instance at a time: removes expired keys, which are absent anyway, and sums up
 * the counts of entries, which are right anyway. Both only free space.
 */
export function createSweep(
  context: StatementContext, tryExclusively: TryExclusively, options: Repeat & { onEnd(outcome: SweepOutcome): void },
): Capability {
  return repeating(options, async () => {
    let removed = 0
    try {
      for (let step: number | undefined = STEP; step === STEP;) {
        step = await tryExclusively(async session => (await session.query(sweepValues(context, STEP))).count)
        if (step === undefined) return options.onEnd({ removed, busy: true })
        removed += step
      }
      await tryExclusively(session => session.query(compactCounts(context, COUNTS_STEP)))
      options.onEnd({ removed })
    }
    catch (error) {
      if (!isClosed(error)) options.onEnd({ removed, error })
    }
  })
}
