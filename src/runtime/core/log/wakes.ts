/** Begins to listen for notifications; the result ends it. */
type Listen = (onWake: () => void) => () => Promise<void>

/** One connection that listens, for everything in this process that wants to know of new events. */
export function createWakes(listen: Listen): Listen {
  const listeners = new Set<() => void>()
  let silence: (() => Promise<void>) | undefined
  return (onWake) => {
    listeners.add(onWake)
    silence ??= listen(() => listeners.forEach(wake => wake()))
    return async () => {
      listeners.delete(onWake)
      if (listeners.size > 0) return
      const last = silence
      silence = undefined
      await last?.()
    }
  }
}
