import { setTimeout as sleep } from 'node:timers/promises'
import type { Consumer, ConsumerStatus, Logger, Projection, ProjectionStatus, RunOnceResult } from '../core'
import { checkMilliseconds, checkOptions } from '../core/shared/checks'
import { isStoreError, messageOf } from '../core/shared/errors'
import type { Members } from '../core/shared/types'
import { endedWithServer } from './shutdown'
import { workerNamed } from './workerFiles'
import type { Workers } from './workerFiles'

const LOOK_AGAIN_MS = 1_000

type Worker = Consumer | Projection

/** All of them: projections have the name that their consumers begin with. */
const allOf = ({ consumers, projections }: Workers): Map<string, Worker> =>
  new Map<string, Worker>([...consumers, ...[...projections].map(([name, projection]): [string, Worker] => [`projection:${name}`, projection])])

export const isEmpty = ({ consumers, projections }: Workers): boolean => consumers.size + projections.size === 0

/** Starts them, and stops them at the stop signal. A database that is away is waited for. Never rejects. */
export async function startWorkers(workers: Workers, logger: Logger): Promise<void> {
  // Servers register their signal handlers after their plugins have run.
  await new Promise<void>(resolve => setImmediate(resolve))
  const { controller: { signal } } = endedWithServer()
  const start = (kind: string, some: ReadonlyMap<string, Worker>) => [...some.values()].map(worker => startOne(kind, worker, signal, logger))
  await Promise.all([...start('projection', workers.projections), ...start('consumer', workers.consumers)])
}

async function startOne(kind: string, worker: Worker, signal: AbortSignal, logger: Logger): Promise<void> {
  for (let failed = false; !signal.aborted; failed = true) {
    try {
      return await worker.start(signal)
    }
    catch (error) {
      if (signal.aborted || (isStoreError(error) && error.code === 'CLOSED')) return
      const isWrong = isStoreError(error) && error.code.startsWith('INVALID_')
      if (isWrong || !failed) logger.error(`${kind} ${worker.name} does not run: ${messageOf(error)}${isWrong ? '' : '. Retrying in the background'}`)
      if (isWrong) return
    }
    await sleep(LOOK_AGAIN_MS, undefined, { ref: false })
  }
}

/** Waits for the events under way. */
export async function stopWorkers(workers: Workers): Promise<void> {
  await Promise.all([...allOf(workers).values()].map(worker => worker.stop()))
}

export interface RunWorkersOptions {
  /** Only this one; a projection as `projection:` and its name. Default: all. */
  name?: string
  /**
   * After how many milliseconds no further event is begun.
   * @default 10000
   */
  maxMs?: number
}

const RUN_OPTIONS: Members<RunWorkersOptions> = { name: true, maxMs: true }

export type RunWorkersResult = RunOnceResult & { name: string }

/**
 * Runs them once, at the same time. One that is at work in this process is only asked how it stands.
 * @throws the first error, once all of them have ended
 */
export async function runWorkers(workers: Workers, given: unknown): Promise<RunWorkersResult[]> {
  const { name, maxMs = 10_000 } = checkOptions('payload', given as RunWorkersOptions, RUN_OPTIONS)
  // A payload may come from a query.
  const options = { maxMs: checkMilliseconds('payload.maxMs', typeof maxMs === 'string' ? Number(maxMs) : maxMs) }
  const all = allOf(workers)
  const chosen: [string, Worker][] = name === undefined ? [...all] : [[name, workerNamed(all, name, 'consumers')]]
  const results = await Promise.allSettled(chosen.map(async ([name, worker]) => {
    const status = await worker.status()
    const isAtWork = status.state === 'running' || status.state === 'paused'
    return { name, ...isAtWork ? { handled: 0, caughtUp: isCaughtUp(status) } : await worker.runOnce(options) }
  }))
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason
    return result.value
  })
}

const isCaughtUp = (status: ConsumerStatus | ProjectionStatus): boolean =>
  'builds' in status ? status.building === null && status.serving?.lag === 0 : status.lag === 0
