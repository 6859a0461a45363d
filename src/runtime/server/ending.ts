import type { Store } from '../core/types'

// A live response never ends by itself, and a server that is asked to stop waits for all of them (Nitro: 30 s) before
// it tells anybody. So the signal itself ends them.
const open = new Set<AbortController>()
const heard = new Set<NodeJS.Signals>()
let ending = false

/** A controller that is aborted when the server stops; at once when it is stopping. `leave` forgets it. */
export function endedWithServer(): { controller: AbortController, leave: () => void } {
  listen()
  const controller = new AbortController()
  if (ending) controller.abort()
  else open.add(controller)
  return { controller, leave: () => open.delete(controller) }
}

/**
 * Closes a store that is not ready when the server stops: it has nothing to finish, and requests that wait for it would
 * keep the server for as long as it tries to connect.
 */
export async function closeUnready(store: Store, ready: Promise<void>): Promise<void> {
  // Servers listen to signals once their plugins have run.
  await new Promise<void>(resolve => setImmediate(resolve))
  const { controller, leave } = endedWithServer()
  controller.signal.addEventListener('abort', () => void store.close())
  await ready
  leave()
}

/** Ends what is open, and what still comes. */
export function endAll(): void {
  ending = true
  for (const controller of open) controller.abort()
  open.clear()
}

/** Only signals somebody handles already: a listener of ours alone would keep the process from ending. */
function listen(): void {
  for (const signal of signals()) {
    if (heard.has(signal) || process.listenerCount(signal) === 0) continue
    heard.add(signal)
    process.once(signal, endAll)
  }
}

// The variable is Nitro's.
const signals = () => (process.env.NITRO_SHUTDOWN_SIGNALS || 'SIGTERM SIGINT').split(' ').filter(Boolean) as NodeJS.Signals[]
