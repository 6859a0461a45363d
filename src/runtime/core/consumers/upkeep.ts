import { randomUUID } from 'node:crypto'
import type { Use } from '../batch/operation'
import type { Statement } from '../sql/statement'
import type { StatementContext } from '../sql/template'
import { createLease } from './lease'
import type { LeaveBehind } from './leaveBehind'
import type { ShardLease } from './lease'
import { readChanged, readParked } from './parkedSql'
import { toParked } from './parkedSubjects'
import type { ParkedSubjects } from './parkedSubjects'
import type { ConsumerSettings } from './settings'
import type { Shard } from './shard'

const SAVE_MS = 100
const REFRESH_MS = 1_000
// Parked subjects at once, so that many of them cost no more than a few.
const LOOKED_AT = 500

export interface UpkeepOptions {
  context: StatementContext
  use: Use
  settings: ConsumerSettings
  parked: ParkedSubjects
  leaving: LeaveBehind
  /** It takes whatever is free, and leaves soon: no share is kept for others. */
  once: boolean
}

/** Keeps the shards of this process, and what it knows of parked subjects, as the database has them. */
export interface Upkeep {
  readonly lease: ShardLease
  /** Something went wrong, and whether it was committed may not be known: the truth is read again with the next lease. */
  drop(shard: Shard): void
  /** Milliseconds until shards may have to be taken or given, or an operator may have changed something. */
  keepIn(): number
  keep(): Promise<void>
  /** Milliseconds until positions are written; Infinity while none may have moved. */
  saveIn(): number
  save(): Promise<void>
}

export function createUpkeep({ context, use, settings, parked, leaving, once }: UpkeepOptions): Upkeep {
  const { name: consumer, leaseMs } = settings
  const isTransactional = settings.transaction !== 'none'
  const lease = createLease({ context, use, consumer, member: randomUUID(), shards: settings.shards, leaseMs, once, isTransactional, onClaim, onGive: leaving.leaveAll })
  // By the clock of this process.
  let balanceAt = 0
  let refreshAt = 0
  let saveAt = 0

  const parkedRows = async (statement: Statement) => (await use(session => session.query(statement))).rows.map(toParked)

  async function onClaim(shards: number[]): Promise<() => void> {
    const rows = await parkedRows(readParked(context, consumer, shards))
    return () => rows.forEach(row => parked.set(row))
  }

  function drop(shard: Shard): void {
    lease.drop(shard)
    balanceAt = 0
  }

  async function leaveSlow(shard: Shard): Promise<void> {
    try {
      await leaving.leaveSlow(shard)
    }
    catch (error) {
      drop(shard)
      throw error
    }
  }

  return {
    lease,
    drop,
    keepIn: () => Math.min(balanceAt, lease.held.size > 0 ? refreshAt : Infinity) - performance.now(),

    async keep() {
      if (performance.now() >= balanceAt) {
        // Before it is done: whatever is dropped meanwhile is claimed at once.
        balanceAt = performance.now() + leaseMs / (lease.held.size === 0 ? 20 : 10)
        await lease.balance()
      }
      if (performance.now() < refreshAt || lease.held.size === 0) return
      const { changes } = parked
      const subjects = parked.next(LOOKED_AT)
      const rows = await parkedRows(readChanged(context, consumer, { shards: [...lease.held.keys()], subjects }))
      for (const number of parked.refresh(rows, subjects, changes)) {
        const shard = lease.held.get(number)
        if (shard) drop(shard)
      }
      refreshAt = performance.now() + Math.min(leaseMs / 3, REFRESH_MS)
    },

    saveIn: () => [...lease.held.values()].some(shard => shard.position > shard.saved || leaving.isNeeded(shard)) ? saveAt - performance.now() : Infinity,

    async save() {
      for (const shard of [...lease.held.values()].filter(leaving.isNeeded)) await leaveSlow(shard)
      const moved = [...lease.held.values()].filter(shard => shard.position > shard.saved && (!isTransactional || shard.running === 0))
      // Nothing of them begins meanwhile: two writers of one position would take each other for another process.
      for (const shard of moved) shard.running++
      try {
        await lease.save(moved)
      }
      finally {
        for (const shard of moved) shard.running--
        saveAt = performance.now() + SAVE_MS
      }
    },
  }
}
