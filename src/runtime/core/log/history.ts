import type { GlobalReader, Sign } from './reader'
import { versionOf } from '../tables/eventCodec'
import type { GlobalEvent, HighWaterMark } from './types'

// So many of the newest signs are kept; of those before them fewer and fewer, so that they reach far back.
const DENSE = 64

/** What a look found: where both histories part, when what is behind that position has changed or may have. */
export interface Parting {
  shared: bigint
  /** Events that were given are gone, or others have their ids. */
  isChanged: boolean
}

/** The database has gone on from an earlier state: what was given of `(shared, position]` is gone. */
export interface HistoryChange {
  position: string
  shared: string
}

/**
 * Knows the history of a database again. Ids alone do not tell: a server that took over without the last events of
 * the one before it gives their ids out again. So the reader of a history remembers signs of events, and asks for
 * them when another server answers (or the same one after a restart), and when the newest one is not there any more.
 */
export interface History {
  /** Remembers the newest events up to a position, and what leads there from the beginning. */
  begin(mark: HighWaterMark, position: bigint): Promise<void>
  /** Remembers the newest event up to a position, where a reader starts that has seen nothing before it. */
  anchor(position: bigint): Promise<void>
  saw(event: GlobalEvent): void
  /** Looks whether everything up to `position` is as it was; undefined when it is. */
  check(mark: HighWaterMark, position: bigint): Promise<Parting | undefined>
}

/** `server`: the history of the mark that a reader begins with. */
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
      // That an event is missing alone tells nothing: it was deleted or archived.
      if (isSameServer && mark.head >= position && !isReplaced) return undefined
      const lowest = [position, mark.head, ...kept.length > 0 ? [kept.at(-1)!.id] : first ? [first.id - BigInt(1)] : []]
      const shared = lowest.reduce((a, b) => a < b ? a : b)
      return { shared, isChanged: mark.head < position || newest !== kept.at(-1) }
    },
  }
}

const isSame = (found: Sign | undefined, { subject, version, ts }: Sign): boolean =>
  found !== undefined && found.subject === subject && found.version === version && found.ts === ts

/** Positions back from `position`, twice as far each time, oldest first. */
function boundsUpTo(position: bigint): bigint[] {
  const bounds: bigint[] = []
  for (let back = BigInt(DENSE); back < position; back *= BigInt(2)) bounds.unshift(position - back)
  return bounds
}
