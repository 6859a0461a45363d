import type { Session } from '../db/types'
import type { Logger } from '../options'
import type { StatementContext } from '../statements/context'
import { sweepValues } from '../statements/kv'

const STEP = 1_000

/** Removes expired keys now and then, in bounded steps. They are absent anyway: this only frees their space. */
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
      .catch((error: unknown) => options.logger.warn(`expired keys could not be removed: ${String(error)}`))
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
}
