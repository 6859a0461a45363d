import { tracingChannel } from 'node:diagnostics_channel'
import type { CallInfo } from './types'

/** What subscribers are given: no subject, key, value or result. `error` is there once the call was rejected. */
export interface TracedCall extends CallInfo {
  error?: unknown
}

export const CHANNEL = 'nvent-store-postgres:operation'

const channel = tracingChannel<unknown, TracedCall>(CHANNEL)

/** Whether anybody listens: when nobody does, a call costs this question. */
export const isTraced = (): boolean => channel.hasSubscribers

/**
 * Runs a call between the events of the channel, in the order of `TracingChannel.tracePromise`. That one puts results
 * on the context and makes promises of everything; results are user data, and iterators are no promises.
 */
export function traced<R>(call: TracedCall, run: () => R): R {
  const result = channel.start.runStores(call, () => {
    try {
      return run()
    }
    finally {
      channel.end.publish(call)
    }
  }) as R
  if (!(result instanceof Promise)) return result
  return result.then((value: unknown) => {
    ended(call)
    return value
  }, (error: unknown) => {
    call.error = error
    channel.error.publish(call)
    ended(call)
    throw error
  }) as R
}

function ended(call: TracedCall): void {
  channel.asyncStart.publish(call)
  channel.asyncEnd.publish(call)
}
