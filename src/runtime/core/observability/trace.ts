import { tracingChannel } from 'node:diagnostics_channel'
import type { CallInfo } from './types'

/** What subscribers of the channel get: no subject, key, value or result. `error` is set once the call was rejected. */
export interface TracedCall extends CallInfo {
  error?: unknown
}

export const CHANNEL = 'nvent-store-postgres:operation'

const channel = tracingChannel<unknown, TracedCall>(CHANNEL)

/** Whether the channel has subscribers. Without any, this check is all that tracing costs a call. */
export const isTraced = (): boolean => channel.hasSubscribers

/**
 * Runs a call and publishes the events of the channel in the order of `TracingChannel.tracePromise`. That method is not
 * used, as it publishes the result, which is user data, and turns every result into a promise, iterators included.
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
