// A live response never ends by itself, and a server that is asked to stop waits for all of them (Nitro: 30 s) before
// it tells anybody. So the signal itself ends them.
const open = new Set<AbortController>()
let ending = false
let listening = false

/** A controller that is aborted when the server stops; at once when it is stopping. `leave` forgets it. */
export function endedWithServer(): { controller: AbortController, leave: () => void } {
  listen()
  const controller = new AbortController()
  if (ending) controller.abort()
  else open.add(controller)
  return { controller, leave: () => open.delete(controller) }
}

/** Ends what is open, and what still comes. */
export function endAll(): void {
  ending = true
  for (const controller of open) controller.abort()
  open.clear()
}

/** Only signals somebody handles already: a listener of ours alone would keep the process from ending. */
function listen(): void {
  if (listening) return
  listening = true
  for (const signal of signals()) {
    if (process.listenerCount(signal) > 0) process.once(signal, endAll)
  }
}

// The variable is Nitro's.
const signals = () => (process.env.NITRO_SHUTDOWN_SIGNALS || 'SIGTERM SIGINT').split(' ').filter(Boolean) as NodeJS.Signals[]
