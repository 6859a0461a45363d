import type { Follower } from './follower'

/** Live followers that have events waiting. */
export interface BusyFollowers {
  add(follower: Follower): void
  delete(follower: Follower): void
  /** Waits until no follower has events waiting, `ms` milliseconds at most. */
  drained(ms: number): Promise<void>
}

export function createBusyFollowers(): BusyFollowers {
  const busy = new Set<Follower>()
  let onIdle = () => {}
  return {
    add: follower => void busy.add(follower),
    delete(follower) {
      if (busy.delete(follower) && busy.size === 0) onIdle()
    },
    async drained(ms) {
      if (busy.size === 0) return
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms)
        onIdle = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    },
  }
}
