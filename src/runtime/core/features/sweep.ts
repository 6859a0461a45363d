import type { Session } from '../db/types'
import type { Logger } from '../options'
import type { StatementContext } from '../statements/context'
import { sweepValues } from '../statements/kv'
import { compactCounts } from '../statements/page'

const STEP = 1_000
const COUNTS_STEP = 100_000

/**
 * Now and then, in bounded steps: removes expired keys, which are absent anyway, and sums up the counts of entries,
 * which are right anyway. Both only free space.
 */
export function startSweep(
  context: StatementContext,
  use: <R>(work: (session: Session) => Promise<R>) => Promise<R>,
  options: { sweepInterval: number, logger: Logger },
): () => void {
  if (options.sweepInterval === 0) return () => {}
  let running = false
  const timer = setInterval(() => {
    if (running) return
    running = true
    sweep(context, use)
      .catch((error: unknown) => options.logger.warn(`the sweep of expired keys and counts failed: ${String(error)}`))
      .finally(() => {
        running = false
      })
  }, options.sweepInterval)
  timer.unref()
  return () => clearInterval(timer)
}

async function sweep(context: StatementContext, use: <R>(work: (session: Session) => Promise<R>) => Promise<R>): Promise<void> {
  for (let removed = STEP; removed === STEP;) {
    removed = await use(async session => (await session.query(sweepValues(context, STEP))).count)
  }
  await use(session => session.query(compactCounts(context, COUNTS_STEP)))
}
