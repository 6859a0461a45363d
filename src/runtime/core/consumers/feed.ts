import type { GlobalReader, PagedEvent } from '../log/reader'
import type { ShardLease } from './lease'
import type { ConsumerSettings } from './settings'
import { fill } from './shard'
import type { Shard } from './shard'

// Read at once, whatever handlers get: a page costs a statement for each table.
const PAGE = 1_000
// Read ahead of the handlers at most.
const MOST_READ = 4 * PAGE
// A long walk through the log asks now and then how far there is to go.
const MARK_MS = 1_000
const ZERO = BigInt(0)

/** Whether there is more to read: now, soon (it is appended and not settled yet), or once something new is appended. */
export type More = 'now' | 'soon' | 'later'

/** Reads the log for the shards that this process holds. */
export interface Feed {
  /**
   * Whether more should be read: as long as there is room and, for a handler that finds nothing to do, for shards that
   * have nothing left. What waits behind a slow subject must not keep the others from being read.
   */
  hasRoom(isIdle: boolean): boolean
  /** Ids between the newest event, when the log was read last, and the lowest position of the shards; null without shards. */
  lag(): number | null
  read(): Promise<More>
}

/** A page after the other, for shards that stand at the same position. */
interface Walk {
  /** All shards that are held: another set of them begins a walk of its own. */
  shards: Shard[]
  group: Shard[]
  pages: AsyncGenerator<PagedEvent[]>
  at: bigint
  upTo: bigint
}

export function createFeed({ reader, lease, settings }: { reader: GlobalReader, lease: ShardLease, settings: ConsumerSettings }): Feed {
  const { shards: count, subjects, types, topics } = settings
  let mark = { head: ZERO, safePosition: ZERO }
  let markedAt = -Infinity
  let walk: Walk | undefined

  function isFull(): boolean {
    let read = 0
    for (const { entries } of lease.held.values()) read += entries.length
    return read >= MOST_READ
  }

  /** The shards to read for: when there is no room, those only that have nothing left. */
  function toRead(): Shard[] {
    const shards = [...lease.held.values()].filter(({ isLeaving }) => !isLeaving)
    return isFull() ? shards.filter(({ entries }) => entries.length === 0) : shards
  }

  const isSame = (shards: Shard[], { shards: before, group, at }: Walk) =>
    shards.length === before.length && shards.every((shard, index) => shard === before[index]) && group.every(({ readTo }) => readTo === at)

  /** For the shards that are furthest behind, up to where the next ones are: some were taken over from others. */
  function walkFrom(shards: Shard[]): Walk | undefined {
    const at = shards.reduce((lowest, { readTo }) => readTo < lowest ? readTo : lowest, shards[0]!.readTo)
    const group = shards.filter(({ readTo }) => readTo === at)
    const upTo = shards.reduce((lowest, { readTo }) => readTo > at && readTo < lowest ? readTo : lowest, mark.safePosition)
    if (upTo <= at) return undefined
    const wanted = group.length === count ? undefined : group.map(({ shard }) => shard)
    return { shards, group, at, upTo, pages: reader.pages({ after: at, upTo, subjects, types, topics, page: PAGE, shards: { count, wanted } }) }
  }

  /** At least a page, unless the end of the walk is nearer. */
  async function next({ pages }: Walk): Promise<{ events: PagedEvent[], isOver: boolean }> {
    const events: PagedEvent[] = []
    while (events.length < PAGE) {
      const { value, done } = await pages.next()
      if (done) return { events, isOver: true }
      events.push(...value as PagedEvent[])
    }
    return { events, isOver: false }
  }

  return {
    lag() {
      const positions = [...lease.held.values()].map(({ position }) => position)
      return positions.length === 0 ? null : positions.reduce((most, position) => Math.max(most, Number(mark.head - position)), 0)
    },

    hasRoom: isIdle => !isFull() || (isIdle && toRead().length > 0),

    async read() {
      const going = walk
      walk = undefined
      // The mark is a statement of its own, before that of the page: a page of the same snapshot would skip events.
      const isMarking = !going || performance.now() - markedAt > MARK_MS
      if (isMarking) {
        mark = await reader.mark()
        markedAt = performance.now()
      }
      const shards = toRead()
      if (shards.length === 0) return 'later'
      const current = going && isSame(shards, going) ? going : walkFrom(shards)
      if (!current) return mark.safePosition < mark.head ? 'soon' : 'later'
      const { events, isOver } = await next(current)
      const { group, upTo } = current
      const readTo = isOver ? upTo : BigInt(events.at(-1)!.event.id)
      const byShard = new Map(group.map(({ shard }) => [shard, [] as PagedEvent[]]))
      for (const event of events) byShard.get(event.shard!)?.push(event)
      for (const shard of group) if (lease.held.get(shard.shard) === shard) fill(shard, byShard.get(shard.shard)!, readTo)
      if (!isOver) walk = { ...current, at: readTo }
      // Since an older mark something may have been appended whose wake came before this read.
      if (readTo < mark.safePosition || !isMarking) return 'now'
      return mark.safePosition < mark.head ? 'soon' : 'later'
    },
  }
}
