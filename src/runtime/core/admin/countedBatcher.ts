import type { Batching, Gate } from '../batch/batcher'
import { createBatcher } from '../batch/batcher'
import type { Send } from '../batch/operation'
import type { Scope } from '../surfaces/scope'
import type { StoreMetrics } from '../types/index'

/** A batcher, with a note of how many calls came and in how many statements they went out. */
export function countedBatcher(use: Scope['use'], gate: Gate, counts: StoreMetrics['batching'], batching: Batching): Send {
  const send = createBatcher((work) => {
    counts.statements++
    return use(work)
  }, gate, batching)
  return (operation, call) => {
    counts.calls++
    return send(operation, call)
  }
}
