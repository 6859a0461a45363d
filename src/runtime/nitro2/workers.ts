import type { Consumer, Projection } from '../core'
import { workers as files } from '#nvent-workers'
import { workerNamed, workersOf } from '../server/workerFiles'
import { useStore } from './store'

export const appWorkers = () => workersOf(useStore(), files)

/**
 * The consumer of a file in `server/consumers`, by its name. The server starts it by itself; a serverless function runs
 * it with `runOnce()`.
 * @throws {StoreError} INVALID_VALUE for a name that no file has
 * @example
 * export default defineEventHandler(() => useConsumer('fulfilment').runOnce({ maxMs: 20_000 }))
 */
export function useConsumer(name: string): Consumer {
  return workerNamed(appWorkers().consumers, name, 'consumers')
}

/**
 * The projection of a file in `server/projections`, by its name. The server starts it by itself; a serverless function
 * runs it with `runOnce()`. Its states are read with `useStore().projections`.
 * @throws {StoreError} INVALID_VALUE for a name that no file has
 * @example
 * export default defineEventHandler(() => useProjection('balances').status())
 */
export function useProjection(name: string): Projection {
  return workerNamed(appWorkers().projections, name, 'projections')
}
