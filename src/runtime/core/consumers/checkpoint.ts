import type { Session } from '../db/types'
import type { StatementContext } from '../sql/template'
import { Fenced, requireHeld, toCheckpoint } from './lease'
import { movePositions } from './positions'
import type { ConsumerSettings } from './settings'
import type { Shard, Unit } from './shard'
import type { ConsumerWatch } from './watching'

/** The last event of each shard that a unit of work has. */
export type LastOfShards = Map<Shard, bigint>

/** Moves the shards of one process behind what it has handled. */
export interface Checkpoints {
  /** Events whose handler went well. */
  readonly handled: number
  /**
   * Moves shards behind a unit, in the transaction of its effects. Without one the positions are written later, for many
   * units at once.
   * @throws {Fenced}
   */
  save(session: Session, last: LastOfShards): Promise<void>
  /** The same for what this process knows, after the commit. */
  finish(unit: Unit, last: LastOfShards): void
  count(handled: number): void
}

interface CheckpointsOptions {
  context: StatementContext
  settings: Pick<ConsumerSettings, 'name' | 'transaction'>
  watch: ConsumerWatch
}

export function createCheckpoints({ context, settings, watch }: CheckpointsOptions): Checkpoints {
  const { name: consumer, transaction } = settings
  const isTransactional = transaction !== 'none'
  let handled = 0
  return {
    get handled() {
      return handled
    },

    async save(session, last) {
      if (!isTransactional) return requireHeld(context, session, consumer, last.keys())
      const checkpoints = [...last].map(([shard, id]) => toCheckpoint(shard, id))
      const moved = await movePositions(context, statement => session.query(statement), consumer, checkpoints)
      if (moved.size < checkpoints.length) throw new Fenced()
      for (const shard of last.keys()) shard.nextPlace = moved.get(shard.shard)
    },

    finish(unit, last) {
      if (isTransactional) {
        for (const [shard, id] of last) {
          shard.saved = id
          shard.place = shard.nextPlace ?? shard.place
        }
      }
      for (const entry of unit) entry.state = 'done'
    },

    count(more) {
      handled += more
      if (more > 0) watch.count(consumer, 'handled', more)
    },
  }
}
