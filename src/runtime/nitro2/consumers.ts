import type { Consumer } from '../core'
import { consumers as files } from '#nvent-consumers'
import { consumerNamed, consumersOf } from '../server/consumers'
import { useStore } from './store'

export const appConsumers = () => consumersOf(useStore(), files)

/**
 * The consumer of a file in `server/consumers`, by its name. The server starts it by itself; a serverless function runs
 * it with `runOnce()`.
 * @throws {StoreError} INVALID_VALUE for a name that no file has
 * @example
 * export default defineEventHandler(() => useConsumer('fulfilment').runOnce({ maxMs: 20_000 }))
 */
export function useConsumer(name: string): Consumer {
  return consumerNamed(appConsumers(), name)
}
