import { createBatcher } from '../batch/batcher'
import type { Batching, Gate, Room } from '../batch/batching'
import type { Queue, Use } from '../batch/operation'
import type { StoreMetrics } from './types'

/** A batcher that counts its calls, and the statements it sends for them. */
export function countedBatcher(
  use: Use, gate: Gate, counts: StoreMetrics['batching'], batching: Batching, roomOf: () => Room | undefined,
): Queue {
  const { send, inOrder } = createBatcher((work) => {
    counts.statements++
    return use(work)
  }, gate, batching, roomOf)
  return {
    send(operation, call) {
      counts.calls++
      return send(operation, call)
    },
    inOrder(keys, work) {
      counts.calls++
      return inOrder(keys, work)
    },
  }
}
