import type { Store } from '../core/types'

// A live response never ends by itself, and on a stop signal Nitro waits for all responses (up to 30 s) before it calls
// the `close` hook. So the responses are ended by the signal itself.
const open = new Set<AbortController>()
const handledSignals = new Set<NodeJS.Signals>()
let ending = false

/** A controller that is aborted when the server stops, or at once when it is stopping. `leave` releases it. */
export function endedWithServer(): { controller: AbortController, leave: () => void } {
  listen()
  const controller = new AbortController()
  if (ending) controller.abort()
  else open.add(controller)
  return { controller, leave: () => open.delete(controller) }
}

/**
 * Closes a store that is not ready when the server stops: it has no calls to finish, and requests that wait for it
 * would delay the shutdown for as long as it tries to connect.
 */
export async function closeUnready(store: Store, ready: Promise<void>): Promise<void> {
  // Servers register their signal handlers after their plugins have run.
  await new Promise<void>(resolve => setImmediate(resolve))
  const { controller, leave } = endedWithServer()
  controller.signal.addEventListener('abort', () => void store.close())
  await ready
  leave()
}

/** Aborts all controllers, and those created later. */
export function endAll(): void {
  ending = true
  for (const controller of open) controller.abort()
  open.clear()
}

/** Only for signals that have a handler already: if ours were the only one, the process would not end on the signal. */
function listen(): void {
  for (const signal of signals()) {
    if (handledSignals.has(signal) || process.listenerCount(signal) === 0) continue
    handledSignals.add(signal)
    process.once(signal, endAll)
  }
}

// This variable is defined by Nitro.
const signals = () => (process.env.NITRO_SHUTDOWN_SIGNALS || 'SIGTERM SIGINT').split(' ').filter(Boolean) as NodeJS.Signals[]
