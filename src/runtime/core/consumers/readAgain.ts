import type { StreamOperations } from '../stream/types'
import { cutOff } from './attempt'
import { ONE } from './shard'
import type { Entry, Unit } from './shard'

/** A handler may have changed an event it was given, and an operator the log. */
export interface ReadAgain {
  /** Returns whether the event is there. */
  readAgain(entry: Pick<Entry, 'subject' | 'id' | 'event'>): Promise<boolean>
  /**
   * Reads those of a unit again that are stale. Returns what is left of it.
   * @throws {CutOff}
   */
  refresh(unit: Unit): Promise<Unit>
}

export function createReadAgain(read: StreamOperations['read']): ReadAgain {
  const readAgain: ReadAgain['readAgain'] = async (entry) => {
    const [event] = await read(entry.subject, { after: String(entry.id - ONE), limit: 1 })
    if (event === undefined || BigInt(event.id) !== entry.id) return false
    entry.event = event
    return true
  }

  return {
    readAgain,
    async refresh(unit) {
      for (const entry of unit) {
        if (entry.isStale && !await readAgain(entry).catch((error: unknown) => Promise.reject(cutOff(error)))) entry.state = 'done'
        entry.isStale = false
      }
      return unit.filter(({ state }) => state !== 'done')
    },
  }
}
