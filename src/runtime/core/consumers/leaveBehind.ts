import type { Use } from '../batch/operation'
import type { StatementContext } from '../sql/template'
import { Fenced, requireHeld } from './lease'
import { moveParked, parkSubject, waitingRow } from './parkedSql'
import type { ParkedSubjects, Waiting } from './parkedSubjects'
import { firstsOf, passOver } from './schedule'
import type { ConsumerSettings } from './settings'
import { ONE, moveOn } from './shard'
import type { Entry, Shard, Unit } from './shard'

// A kill repeats about as many events of a shard that wait for a slow subject.
const MOST_AHEAD = 100

interface LeaveBehindOptions {
  context: StatementContext
  use: Use
  settings: ConsumerSettings
  parked: ParkedSubjects
}

/**
 * Without a transaction, subjects overtake each other: events that are handled lie behind others that are not. The subjects
 * of those are parked, so that the position of their shard moves behind all that is handled, and no process handles it
 * again.
 */
export interface LeaveBehind {
  /** Whether a shard may wait for slow subjects. */
  isNeeded(shard: Shard): boolean
  /**
   * Called again and again: parks the subjects that a shard waits for, when it waits with much. Their handlers go on.
   * @throws {Fenced}
   */
  leaveSlow(shard: Shard): Promise<void>
  /**
   * Parks all that lies before something that is handled. Nothing of the shard may begin.
   * @throws {Fenced}
   */
  leaveAll(shard: Shard): Promise<void>
  /** The handler of a unit is about to be called. */
  begin(unit: Unit): void
  /** It has ended: waits until nothing of the unit is being parked, and nothing will be. */
  settle(unit: Unit): Promise<void>
  /**
   * Moves what was parked of a unit behind it, but for subjects of which something was not done.
   * @throws {Fenced}
   */
  moveBehind(unit: Unit, undone: Iterable<Entry>): Promise<void>
  /** Nothing of a unit is under way any more: retries go on with what was parked of it. */
  release(unit: Unit): Promise<void>
}

export function createLeaveBehind({ context, use, settings, parked }: LeaveBehindOptions): LeaveBehind {
  const { name: consumer, transaction, order, debounce, maxParked } = settings
  const isOn = transaction === 'none' && order === 'subject' && !debounce
  const left = new WeakMap<Entry, Promise<Waiting>>()
  const ending = new WeakSet<Entry>()
  // Under way when it was looked at: most are not any more at the next look.
  const slow = new WeakSet<Entry>()

  async function park(shard: Shard, firsts: Entry[]): Promise<void> {
    const rows = firsts.map(({ subject, id }) => waitingRow({ subject, shard: shard.shard, fromId: id, delayMs: 0, isLeftBehind: true }))
    await use(session => session.atomic(async (inside) => {
      await requireHeld(context, inside, consumer, [shard])
      for (const row of rows) await inside.query(parkSubject(context, consumer, row))
    }))
    for (const row of rows) parked.set(row)
    const subjects = new Set(rows.map(({ subject }) => subject))
    for (const entry of overtakenIn(shard)) if (subjects.has(entry.subject)) passOver(entry, parked.get(entry.subject)!)
    moveOn(shard)
  }

  async function leaveRunning(shard: Shard, firsts: Entry[]): Promise<void> {
    const subjects = new Set(firsts.map(({ subject }) => subject))
    const running = shard.entries.filter(({ subject, state }) => state === 'running' && subjects.has(subject))
    const parking = park(shard, firsts).then(() => {
      for (const { subject } of firsts) parked.begin(parked.get(subject)!)
    })
    for (const entry of running) left.set(entry, parking.then(() => parked.get(entry.subject)!))
    await Promise.all(running.map(entry => left.get(entry)))
  }

  const leftOf = (unit: Unit) => unit.flatMap(entry => left.get(entry) ?? [])

  return {
    isNeeded: ({ entries }) => isOn && entries.length > MOST_AHEAD,

    async leaveSlow(shard) {
      if (shard.entries.filter(({ state }) => state === 'done').length <= MOST_AHEAD) return
      const running = firstsOf(overtakenIn(shard), parked).filter(first => first.state === 'running' && !ending.has(first))
      const firsts = running.filter(first => slow.has(first))
      for (const entry of running) slow.add(entry)
      // The other half is left to events that fail. What it waits for may begin: one that is not under way is not waited for.
      shard.isHeldUp = running.length > 0 && parked.size + firsts.length > maxParked / 2
      if (firsts.length > 0 && !shard.isHeldUp) await leaveRunning(shard, firsts)
    },

    async leaveAll(shard) {
      const firsts = firstsOf(overtakenIn(shard), parked)
      if (firsts.length > 0) await park(shard, firsts)
    },

    begin(unit) {
      if (isOn) for (const entry of unit) ending.delete(entry)
    },

    async settle(unit) {
      if (!isOn) return
      for (const entry of unit) ending.add(entry)
      await Promise.all(leftOf(unit))
    },

    async moveBehind(unit, undone) {
      if (!isOn) return
      const awaited = new Set(Array.from(undone, ({ subject }) => subject))
      for (const { subject, fromId } of new Set(await Promise.all(leftOf(unit)))) {
        if (awaited.has(subject)) continue
        const { id, shard } = unit.findLast(entry => entry.subject === subject)!
        const next = waitingRow({ subject, shard: shard.shard, fromId: id + ONE, delayMs: 0, isLeftBehind: true })
        await use(session => session.atomic(async (inside) => {
          await requireHeld(context, inside, consumer, [shard])
          const { count } = await inside.query(moveParked(context, consumer, fromId, next))
          if (count === 0) throw new Fenced()
        }))
        parked.set(next)
      }
    },

    async release(unit) {
      if (!isOn) return
      for (const result of await Promise.allSettled(leftOf(unit))) if (result.status === 'fulfilled') parked.end(result.value)
    },
  }
}

/** What is not handled and lies before something that is. */
function overtakenIn({ entries }: Shard): Entry[] {
  const last = entries.findLastIndex(({ state }) => state === 'done')
  return entries.slice(0, last + 1).filter(({ state }) => state !== 'done')
}
