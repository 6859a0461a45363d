import { unref } from '../shared/timer'

/** Something that is done again and again while other work is under way. */
export interface Heartbeat {
  /** The first time; the others follow. */
  start(): Promise<void>
  /** Waits for the last time. */
  stop(): Promise<void>
}

export function createHeartbeat(beat: () => Promise<void>, intervalMs: number): Heartbeat {
  let timer: NodeJS.Timeout | undefined
  let last: Promise<void> = Promise.resolve()
  let isStopped = false
  const next = (): Promise<void> => last = beat().then(() => {
    if (isStopped) return
    timer = setTimeout(() => void next(), intervalMs)
    unref(timer)
  })
  return {
    start: next,
    async stop() {
      isStopped = true
      clearTimeout(timer)
      await last
    },
  }
}
