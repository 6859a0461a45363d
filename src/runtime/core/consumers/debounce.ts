import type { Use } from '../batch/operation'
import type { Row, Session } from '../db/types'
import type { StatementContext } from '../sql/template'
import { copyRecord } from '../tables/eventCodec'
import { HandlerFailure } from './attempt'
import type { RunHandler } from './callHandler'
import { endBurst, noteNewest, readWaits, replaceGone, sweepDebounced } from './debounceSql'
import type { KeyedEvent, WaitRow } from './debounceSql'
import { parkSubject, waitingRow } from './parkedSql'
import type { ParkedSubjects } from './parkedSubjects'
import { firstsOf, passOver } from './schedule'
import type { ConsumerSettings } from './settings'
import type { Entry, Unit } from './shard'

const SWEEP_MS = 3_600_000

type Keyed = Pick<Entry, 'event' | 'subject'>

/**
 * Lets events wait until no newer one of their key has come for a while. Each waits in its parked subject; the newest
 * event of each key is in a table, as the others may be in other processes.
 */
export interface Debouncing {
  readonly isOn: boolean
  /** Those of a unit, from the first one on, whose subjects there is room for. */
  fitting(unit: Unit): Unit
  /** Notes events that have come, and parks their subjects. Returns what has to happen after the commit. */
  arrive(session: Session, unit: Unit): Promise<() => void>
  /**
   * Milliseconds that events of a subject have to wait; undefined where a newer one takes their place. Until then they wait
   * as well: the newer one may be dismissed or deleted.
   */
  waits(subject: string, events: Entry['event'][]): Promise<(number | undefined)[]>
  /** An event was handled or given up. */
  end(session: Session, entry: Pick<Entry, 'event' | 'subject'>): Promise<void>
  /** Fails an event whose key function fails. */
  within(run: RunHandler): RunHandler
  /** Removes what is long done. */
  keep(): Promise<void>
}

interface DebounceOptions {
  context: StatementContext
  use: Use
  settings: ConsumerSettings
  parked: ParkedSubjects
}

export function createDebounce({ context, use, settings, parked }: DebounceOptions): Debouncing {
  const { name: consumer, debounce, maxParked } = settings
  let sweepAt = 0

  /** Null for an event that does not wait. */
  function keyOf(entry: Keyed): string | null {
    try {
      return keyOrThrow(entry) ?? null
    }
    catch {
      // It is thrown again by the attempt, which fails of it.
      return null
    }
  }

  const keyOrThrow = ({ event, subject }: Keyed) => debounce?.keyOf(copyRecord(event, { subject }))
  const toKeyed = (entry: Keyed): KeyedEvent => ({ key: keyOf(entry), id: BigInt(entry.event.id) })

  async function runChecked(run: RunHandler, ...call: Parameters<RunHandler>): Promise<void> {
    try {
      call[0].forEach(keyOrThrow)
    }
    catch (error) {
      throw new HandlerFailure(error)
    }
    await run(...call)
  }

  return {
    isOn: debounce !== undefined,

    fitting(unit) {
      const added = new Set<string>()
      // The other half is left to events that fail.
      const room = Math.ceil(maxParked / 2) - parked.size
      const end = unit.findIndex(({ subject }) => {
        if (!parked.get(subject)) added.add(subject)
        return added.size > Math.max(0, room)
      })
      return end === -1 ? unit : unit.slice(0, end)
    },

    async arrive(session, unit) {
      const keys = new Map(unit.map(entry => [entry, toKeyed(entry)]))
      const noted = [...keys.values()].filter(({ key }) => key !== null)
      if (noted.length > 0) await session.query(noteNewest(context, consumer, noted))
      const rows = firstsOf(unit, parked).map(entry =>
        waitingRow({ subject: entry.subject, shard: entry.shard.shard, fromId: entry.id, delayMs: keys.get(entry)!.key === null ? 0 : debounce!.ms }))
      for (const row of rows) await session.query(parkSubject(context, consumer, row))
      return () => {
        for (const row of rows) parked.set(row, row.fromId)
        for (const entry of unit) passOver(entry, parked.get(entry.subject)!)
      }
    },

    async waits(subject, events) {
      if (!debounce || events.length === 0) return events.map(() => 0)
      const keyed = events.map(event => toKeyed({ event, subject }))
      const rows = await use(async (session) => {
        const read = () => session.query<Row & WaitRow>(readWaits(context, consumer, keyed, debounce.ms, debounce.maxMs))
        const { rows } = await read()
        if (!rows.some(({ isInDoubt }) => isInDoubt)) return rows
        await session.query(replaceGone(context, consumer, keyed))
        return (await read()).rows
      })
      return rows.map(({ waitMs, isReplaced }) => isReplaced && waitMs === 0 ? undefined : waitMs)
    },

    async end(session, entry) {
      const keyed = debounce ? toKeyed(entry) : undefined
      if (keyed && keyed.key !== null) await session.query(endBurst(context, consumer, keyed))
    },

    within: run => debounce ? (...call) => runChecked(run, ...call) : run,

    async keep() {
      if (!debounce || performance.now() < sweepAt) return
      sweepAt = performance.now() + SWEEP_MS
      await use(session => session.query(sweepDebounced(context, consumer, Math.max(debounce.ms, debounce.maxMs ?? 0))))
    },
  }
}
