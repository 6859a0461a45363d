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
 * A periodic job, in bounded steps, on one instance at a time: deletes expired keys and merges rows of entry counts.
 * Both only free space: reads ignore expired keys and add up the counts themselves.
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
