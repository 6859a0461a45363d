import type { GlobalReader } from '../log/reader'
import type { GlobalEvent } from '../log/types'
import type { ShardLease } from './lease'
import type { ConsumerSettings } from './settings'
import { fill } from './shard'
import type { Shard } from './shard'

// Read at once, whatever handlers get: a page costs a statement for each table.
const PAGE = 1_000
// Read ahead of the handlers at most.
const MOST_READ = 4 * PAGE

/** Whether there is more to read: now, soon (it is appended and not settled yet), or once something new is appended. */
export type More = 'now' | 'soon' | 'later'

/** Reads the log for the shards that this process holds. */
export interface Feed {
  /** Whether handlers have enough to do. */
  isFull(): boolean
  /** Ids between the newest event, when the log was read last, and the lowest position of the shards; null without shards. */
  lag(): number | null
  read(): Promise<More>
}

type ShardedEvent = GlobalEvent & { shard: number }

export function createFeed({ reader, lease, settings }: { reader: GlobalReader, lease: ShardLease, settings: ConsumerSettings }): Feed {
  const { shards: count, subjects, types, topics } = settings

  let newest = BigInt(0)

  async function readPage(after: bigint, upTo: bigint, group: Shard[]): Promise<ShardedEvent[]> {
    const wanted = group.length === count ? undefined : group.map(({ shard }) => shard)
    for await (const page of reader.pages({ after, upTo, subjects, types, topics, page: PAGE, shards: { count, wanted } })) return page as ShardedEvent[]
    return []
  }

  return {
    lag() {
      const positions = [...lease.held.values()].map(({ position }) => position)
      return positions.length === 0 ? null : positions.reduce((most, position) => Math.max(most, Number(newest - position)), 0)
    },

    isFull() {
      let read = 0
      for (const { entries } of lease.held.values()) read += entries.length
      return read >= MOST_READ
    },

    /** A page for the shards that are furthest behind, up to where the next ones are: some were taken over from others. */
    async read() {
      // The mark is a statement of its own, before that of the page: a page of the same snapshot would skip events.
      const { safePosition, head } = await reader.mark()
      newest = head
      const shards = [...lease.held.values()].filter(({ isLeaving }) => !isLeaving)
      if (shards.length === 0) return 'later'
      const from = shards.reduce((lowest, { readTo }) => readTo < lowest ? readTo : lowest, shards[0]!.readTo)
      const group = shards.filter(({ readTo }) => readTo === from)
      const upTo = shards.reduce((lowest, { readTo }) => readTo > from && readTo < lowest ? readTo : lowest, safePosition)
      if (upTo <= from) return safePosition < head ? 'soon' : 'later'
      const events = await readPage(from, upTo, group)
      const readTo = events.length >= PAGE ? BigInt(events.at(-1)!.event.id) : upTo
      const byShard = new Map(group.map(({ shard }) => [shard, [] as GlobalEvent[]]))
      for (const event of events) byShard.get(event.shard)?.push(event)
      for (const shard of group) if (lease.held.get(shard.shard) === shard) fill(shard, byShard.get(shard.shard)!, readTo)
      if (readTo < safePosition) return 'now'
      return safePosition < head ? 'soon' : 'later'
    },
  }
}
