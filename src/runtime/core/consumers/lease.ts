import type { Use } from '../batch/operation'
import type { Statement } from '../sql/statement'
import type { StatementContext } from '../sql/template'
import type { Checkpoint } from './sql'
import { beat, claimShards, moveShards, removeMember, renewShards } from './sql'

/** A shard that this process holds. */
export interface Shard {
  shard: number
  token: string
  /** Everything up to here is handled. */
  position: bigint
  /** The same, as the database knows it. */
  saved: bigint
  /** Handlers of this shard stop when it is lost. */
  lost: AbortController
}

interface LeaseOptions {
  context: StatementContext
  use: Use
  consumer: string
  member: string
  shards: number
  leaseMs: number
  /** Called for shards that were just taken, before anything is read for them. */
  onClaim(shards: Shard[]): Promise<void>
}

/** The shards of one consumer that one process holds. */
export interface Lease {
  readonly held: ReadonlyMap<number, Shard>
  /** Renews what is held. */
  renew(): Promise<void>
  /** Takes or gives back shards, so that all members have about as many. Not while events of them are under way. */
  balance(): Promise<void>
  /** Forgets a shard that another process has taken. */
  drop(shard: Shard): void
  /** Writes the positions that have moved since they were written last. */
  save(): Promise<void>
  /** Gives everything back. */
  end(): Promise<void>
}

export function createLease({ context, use, consumer, member, shards, leaseMs, onClaim }: LeaseOptions): Lease {
  const held = new Map<number, Shard>()
  // By our own clock: a process that was frozen for longer must not believe that it still holds anything.
  let heldUntil = 0
  let members = 1

  function drop(shard: Shard): void {
    if (held.get(shard.shard) !== shard) return
    held.delete(shard.shard)
    shard.lost.abort()
  }

  const query = (statement: Statement) => use(session => session.query(statement))

  async function give(given: Shard[]): Promise<void> {
    if (given.length === 0) return
    for (const shard of given) drop(shard)
    await query(moveShards(context, { consumer, checkpoints: given.map(toCheckpoint), release: true }))
  }

  async function renewHeld(): Promise<void> {
    if (performance.now() > heldUntil) for (const shard of [...held.values()]) drop(shard)
    if (held.size === 0) return
    const before = [...held.values()]
    const { rows } = await query(renewShards(context, { consumer, held: before, leaseMs }))
    const kept = new Set(rows.map(row => Number(row.shard)))
    for (const shard of before) if (!kept.has(shard.shard)) drop(shard)
  }

  return {
    held,
    drop,

    async renew() {
      const since = performance.now()
      const { rows: [row] } = await query(beat(context, { consumer, member, leaseMs }))
      members = Number(row!.members)
      await renewHeld()
      heldUntil = since + leaseMs
    },

    async balance() {
      const share = Math.ceil(shards / members)
      await give([...held.values()].slice(share))
      if (held.size >= share) return
      const { rows } = await query(claimShards(context, { consumer, member, limit: share - held.size, leaseMs }))
      const taken = rows.map(({ shard, token, position }): Shard => ({
        shard: Number(shard), token: String(token), position: BigInt(position as string), saved: BigInt(position as string), lost: new AbortController(),
      }))
      if (taken.length > 0) await onClaim(taken)
      for (const shard of taken) held.set(shard.shard, shard)
    },

    async save() {
      const moved = [...held.values()].filter(({ position, saved }) => position > saved)
      if (moved.length === 0) return
      const checkpoints = moved.map(toCheckpoint)
      const { count } = await query(moveShards(context, { consumer, checkpoints }))
      // Which of them are lost shows at the next renewal.
      if (count === moved.length) moved.forEach((shard, at) => (shard.saved = checkpoints[at]!.position))
    },

    async end() {
      await give([...held.values()])
      await query(removeMember(context, { consumer, member }))
    },
  }
}

export const toCheckpoint = ({ shard, token, position }: Shard): Checkpoint => ({ shard, token, position })
