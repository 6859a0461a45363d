import type { GlobalReader, Sign } from './reader'
import { versionOf } from '../tables/eventCodec'
import type { GlobalEvent, HighWaterMark } from './types'

// The number of newest signs that are all kept. Older signs are thinned out, so that a bounded list reaches far back.
const DENSE = 64

/** The result of a check: the position up to which both histories agree. What follows it has changed, or may have. */
export interface Parting {
  shared: bigint
  /** Events that were delivered are gone, or other events have their ids. */
  isChanged: boolean
}

/** The database continued from an earlier state: the events in `(shared, position]` that were delivered are gone. */
export interface HistoryChange {
  position: string
  shared: string
}

/**
 * Recognizes the history of a database. Ids are not enough: after a failover that lost the last events, the new
 * primary assigns their ids again. So a reader remembers signs of events, and looks them up when another server
 * answers (or the same one after a restart), and when the newest sign is missing.
 */
export interface History {
  /** Remembers the newest events up to a position, and ever fewer of those before, back to the beginning. */
  begin(mark: HighWaterMark, position: bigint): Promise<void>
  /** Remembers the newest event up to a position at which a reader starts without having seen the events before it. */
  anchor(position: bigint): Promise<void>
  saw(event: GlobalEvent): void
  /** Checks that everything up to `position` is unchanged; resolves with undefined when it is. */
  check(mark: HighWaterMark, position: bigint): Promise<Parting | undefined>
}

/** `server` is the `history` of the high-water mark that the reader starts with. */
export function createHistory(reader: GlobalReader, server?: string): History {
  // Oldest first.
  let signs: Sign[] = []

  function remember(sign: Sign): void {
    if (signs.length > 0 && sign.id <= signs.at(-1)!.id) return
    signs.push(sign)
    if (signs.length > 2 * DENSE) signs = signs.filter((_, at) => at >= DENSE || at % 2 === 0)
  }

  async function isThere(sign: Sign): Promise<boolean> {
    return (await reader.signs([sign.id], sign.subject)).some(found => isSame(found, sign))
  }

  return {
    async begin(mark, position) {
      server = mark.history
      signs = []
      const [far, near] = await Promise.all([reader.newest(boundsUpTo(position)), reader.newest([position], DENSE)])
      for (const sign of [...far, ...near.slice(-DENSE)]) remember(sign)
    },

    async anchor(position) {
      if (signs.length > 0 && signs.at(-1)!.id >= position) return
      for (const sign of await reader.newest([position])) remember(sign)
    },

    saw({ subject, event }) {
      remember({ id: BigInt(event.id), subject, version: String(versionOf(event)), ts: String(event.ts) })
    },

    async check(mark, position) {
      const isSameServer = mark.history === server
      const newest = signs.at(-1)
      if (isSameServer && mark.head >= position && (!newest || await isThere(newest))) return undefined
      const found = new Map((await reader.signs(signs.map(({ id }) => id))).map(sign => [sign.id, sign]))
      const kept = signs.filter(sign => isSame(found.get(sign.id), sign))
      const isReplaced = kept.length < found.size
      server = mark.history
      const [first] = signs
      signs = kept
      // A missing event alone proves nothing: it may have been deleted or archived.
      if (isSameServer && mark.head >= position && !isReplaced) return undefined
      const lowest = [position, mark.head, ...kept.length > 0 ? [kept.at(-1)!.id] : first ? [first.id - BigInt(1)] : []]
      const shared = lowest.reduce((a, b) => a < b ? a : b)
      return { shared, isChanged: mark.head < position || newest !== kept.at(-1) }
    },
  }
}

const isSame = (found: Sign | undefined, { subject, version, ts }: Sign): boolean =>
  found !== undefined && found.subject === subject && found.version === version && found.ts === ts

/** Positions before `position` at doubling distances, oldest first. */
function boundsUpTo(position: bigint): bigint[] {
  const bounds: bigint[] = []
  for (let back = BigInt(DENSE); back < position; back *= BigInt(2)) bounds.unshift(position - back)
  return bounds
}
