import type { Use } from '../batch/operation'
import type { Row, Session } from '../db/types'
import { StoreError } from '../shared/errors'
import type { Statement } from '../sql/statement'
import type { StatementContext } from '../sql/template'
import { movePositions } from './positions'
import { createShard } from './shard'
import type { Shard } from './shard'
import type { Checkpoint, ClaimedRow, PlacedRow } from './sql'
import { beat, claimShards, holdShard, releaseShards, removeMember, renewShards } from './sql'

interface LeaseOptions {
  context: StatementContext
  use: Use
  consumer: string
  member: string
  shards: number
  leaseMs: number
  /** Takes whatever is free, not a share of it. */
  once: boolean
  /** Handlers run in transactions, which fail when another process has taken their shard. */
  isTransactional: boolean
  /** Prepares for shards that were just taken; what it returns is called at the moment when they are held. */
  onClaim(shards: number[]): Promise<() => void>
  /** Prepares for a shard that is about to be given back, of which nothing is under way. */
  onGive(shard: Shard): Promise<void>
}

/** The shards of one consumer that one process holds. */
export interface ShardLease {
  readonly held: ReadonlyMap<number, Shard>
  /** Milliseconds since 1970 by the clock of the database, or a little less: as of the last renewal. */
  now(): number
  /** Extends what is held, and forgets what another process has taken. */
  renew(): Promise<void>
  /** Takes shards, or lets go of some, so that all processes have about as many. */
  balance(): Promise<void>
  /** Forgets a shard whose lease or position is not what this process believes. It may be claimed again. */
  drop(shard: Shard): void
  /**
   * Whether the lease holds by the clock of this process, which may have been frozen; else nothing new may begin until it
   * is renewed. What is not fenced by its transaction is forgotten then.
   */
  check(): boolean
  /** Writes the positions that have moved since they were written last. */
  save(shards: Shard[]): Promise<void>
  /** Gives everything back. */
  end(): Promise<void>
}

export function createLease({ context, use, consumer, member, shards, leaseMs, once, isTransactional, onClaim, onGive }: LeaseOptions): ShardLease {
  const held = new Map<number, Shard>()
  let heldUntil = 0
  let members = 1
  // What the clock of the database is ahead of that of this process, less the way of an answer.
  let ahead = 0

  function drop(shard: Shard): void {
    if (held.get(shard.shard) !== shard) return
    held.delete(shard.shard)
    shard.lost.abort(new Fenced())
  }

  const busy = ({ running, retrying }: Shard) => running + retrying

  const query = <R extends Row>(statement: Statement) => use(session => session.query<R>(statement))

  async function save(moved: Shard[]): Promise<void> {
    const checkpoints = moved.filter(({ position, saved, isSaving }) => position > saved && !isSaving).map(shard => toCheckpoint(shard, shard.position))
    if (checkpoints.length === 0) return
    const positions = new Map(checkpoints.map(({ shard, to }) => [shard, to]))
    const saving = moved.filter(({ shard }) => positions.has(shard))
    for (const shard of saving) shard.isSaving = true
    try {
      const written = await movePositions(context, query, consumer, checkpoints)
      for (const shard of saving) {
        const place = written.get(shard.shard)
        if (place === undefined) drop(shard)
        else Object.assign(shard, { saved: positions.get(shard.shard)!, place })
      }
    }
    finally {
      for (const shard of saving) shard.isSaving = false
    }
  }

  async function prepare(given: Shard[]): Promise<void> {
    for (const shard of given) {
      await onGive(shard).catch((error: unknown) => {
        drop(shard)
        if (!(error instanceof Fenced)) throw error
      })
    }
  }

  async function give(given: Shard[]): Promise<void> {
    if (given.length === 0) return
    await prepare(given)
    await save(given)
    const kept = given.filter(shard => held.get(shard.shard) === shard && !shard.isSaving)
    for (const shard of kept) drop(shard)
    await query(releaseShards(context, { consumer, held: kept }))
  }

  function check(): boolean {
    const isHeld = performance.now() <= heldUntil
    if (!isHeld && !isTransactional) for (const shard of [...held.values()]) drop(shard)
    return isHeld
  }

  return {
    held,
    now: () => ahead + performance.now(),
    drop,
    save,
    check,

    async renew() {
      const since = performance.now()
      const { rows: [row] } = await query(beat(context, { consumer, member, leaseMs }))
      if (row!.known === false) throw new Removed(consumer)
      members = Number(row!.members)
      ahead = Number(row!.now) - performance.now()
      check()
      const before = [...held.values()]
      if (before.length > 0) {
        const { rows } = await query<PlacedRow>(renewShards(context, { consumer, held: before, leaseMs }))
        const kept = new Map(rows.map(({ shard, place }) => [Number(shard), place]))
        for (const shard of before) {
          const place = kept.get(shard.shard)
          if (place === undefined) drop(shard)
          else shard.place = place
        }
      }
      heldUntil = since + leaseMs
    },

    async balance() {
      const share = once ? shards : Math.ceil(shards / members)
      const all = [...held.values()]
      // Those first that nothing is under way of.
      all.sort((a, b) => busy(a) - busy(b))
      all.forEach((shard, at) => (shard.isLeaving = at < all.length - share))
      await give(all.filter(shard => shard.isLeaving && busy(shard) === 0))
      if (held.size >= share) return
      const { rows } = await query<ClaimedRow>(claimShards(context, { consumer, member, limit: share - held.size, leaseMs, held: [...held.keys()] }))
      if (rows.length === 0) return
      const begin = await onClaim(rows.map(({ shard }) => Number(shard)))
      begin()
      for (const { shard, token, position, place } of rows) held.set(Number(shard), createShard(Number(shard), token, BigInt(position), place))
    },

    async end() {
      await prepare([...held.values()])
      await save([...held.values()])
      for (const shard of [...held.values()]) drop(shard)
      await query(removeMember(context, { consumer, member }))
    },
  }
}

/** Another process has taken a shard whose events were under way: nothing of them is kept. */
export class Fenced extends Error {}

/** An operator has removed the consumer while this process was frozen or cut off. */
export class Removed extends StoreError {
  constructor(consumer: string) {
    super('NOT_FOUND', `consumer ${JSON.stringify(consumer)} has stopped: it was removed while this process was away; start() makes it again, from its beginning`, { details: { consumer } })
  }
}

export const toCheckpoint = ({ shard, token, place, saved }: Shard, to: bigint): Checkpoint => ({ shard, token, place, from: saved, to })

/**
 * Locks shards that must still be held, until the transaction ends.
 * @throws {Fenced}
 */
export async function requireHeld(context: StatementContext, session: Session, consumer: string, shards: Iterable<Shard>): Promise<void> {
  for (const { shard, token, place } of shards) {
    const atPlace = await session.query(holdShard(context, consumer, { shard, token, place }))
    if (atPlace.count === 0 && (await session.query(holdShard(context, consumer, { shard, token }))).count === 0) throw new Fenced()
  }
}
