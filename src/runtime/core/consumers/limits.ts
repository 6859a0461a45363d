import { randomUUID } from 'node:crypto'
import type { Use } from '../batch/operation'
import { messageOf } from '../shared/errors'
import type { Logger } from '../shared/types'
import type { StatementContext } from '../sql/template'
import { copyRecord } from '../tables/eventCodec'
import { HandlerFailure } from './attempt'
import type { RunHandler } from './callHandler'
import type { Limit } from './flowSettings'
import type { ConsumerSettings } from './settings'
import type { Entry } from './shard'
import { freeSlots, renewSlots, sweepSlots, takeSlots } from './slotsSql'
import type { Slot } from './slotsSql'

// Until a slot is looked for again that may be free at once.
const SOON_MS = 20
const SWEEP_MS = 60_000
// Another process may free what is waited for.
const MOST_HELD_MS = 1_000
// A process that was frozen for longer than its slot lasts asks again; a short slot may be as short as the way to the server.
const LEAST_USABLE_MS = 1_000

/** Not all events of a call may be handled yet: none of them was, and no attempt is counted. */
export class Limited extends Error {
  constructor(
    /** So many of them, from the first one on, may be. */
    readonly admitted: number,
    /** Milliseconds until it is worth while to ask again for the one behind those. */
    readonly delayMs: number,
    /** What that one waits for. */
    readonly line: string,
    readonly isKeyed: boolean,
  ) {
    super('a limit of the consumer is reached')
  }
}

/** The limits of one consumer in one process: what is free in all processes is in the database. */
export interface Limits {
  /**
   * Calls a handler while its events hold slots of every limit.
   * @throws {Limited} when there are not enough
   */
  within(run: RunHandler): RunHandler
  /** Milliseconds for which a line is known to be closed: asking is of no use. */
  closedFor(line: string): number
  /** Keeps new events back, for a second at most; retries go on. */
  hold(ms: number): void
  isHolding(): boolean
  /** Milliseconds until new events are not kept back any more; Infinity where they are not. */
  nextIn(): number
  /** Extends what is held, and removes what is long free. */
  keep(): Promise<void>
}

interface LimitsOptions {
  context: StatementContext
  use: Use
  settings: ConsumerSettings
  logger: Logger
  /** A slot is free that others of this process may wait for. */
  onFree(line: string): void
}

type Events = Pick<Entry, 'event' | 'subject'>[]

const lineOf = ({ kind }: Pick<Limit, 'kind'>, key: string) => `${kind} ${key}`

export function createLimits({ context, use, settings, logger, onFree }: LimitsOptions): Limits {
  const { name: consumer, limits, leaseMs, pollInterval } = settings
  // By the clock of this process.
  const closedUntil = new Map<string, number>()
  const held = new Set<Slot>()
  let heldUntil = 0
  let sweepAt = 0

  const closedFor = (line: string): number => (closedUntil.get(line) ?? 0) - performance.now()

  /** @throws {HandlerFailure} when a key function fails: the attempt has failed */
  function keysOf({ keyOf }: Limit, events: Events): (string | undefined)[] {
    try {
      return events.map(({ event, subject }) => keyOf(copyRecord(event, { subject })))
    }
    catch (error) {
      throw new HandlerFailure(error)
    }
  }

  const limited = (at: number, limit: Limit, key: string) => new Limited(at, Math.max(SOON_MS, closedFor(lineOf(limit, key))), lineOf(limit, key), limit.isKeyed)

  /** What is known to be refused, without a question to the database. */
  function refuse(keys: (string | undefined)[][], events: number): void {
    for (let at = 0; at < events; at++) {
      for (const [of, limit] of limits.entries()) {
        const key = keys[of]![at]
        if (key !== undefined && closedFor(lineOf(limit, key)) > 0) throw limited(at, limit, key)
      }
    }
  }

  /** The first event that there is no slot for. */
  function refused(limit: Limit, keys: (string | undefined)[], slots: Slot[]): Limited | undefined {
    const left = new Map<string, number>()
    for (const { key } of slots) left.set(key, (left.get(key) ?? 0) + 1)
    for (const [at, key] of keys.entries()) {
      if (key === undefined) continue
      const free = left.get(key) ?? 0
      if (free === 0) return limited(at, limit, key)
      left.set(key, free - 1)
    }
    return undefined
  }

  async function takeOf(limit: Limit, keys: (string | undefined)[], holder: string): Promise<Slot[]> {
    const wanted = new Map<string, number>()
    for (const key of keys) if (key !== undefined) wanted.set(key, (wanted.get(key) ?? 0) + 1)
    if (wanted.size === 0) return []
    const { rows } = await use(session => session.query<{ key: string, slots: number[], delayMs: number | null }>(takeSlots(context, { consumer, limit, holder, wanted })))
    return rows.flatMap(({ key, slots, delayMs }) => {
      // A slot of a handler may be free long before its time.
      const delay = Math.min(Number(delayMs ?? 0), limit.kind === 'concurrency' ? pollInterval : Infinity)
      if (slots.length < wanted.get(key)!) closedUntil.set(lineOf(limit, key), performance.now() + Math.max(SOON_MS, delay))
      return slots.map(slot => ({ kind: limit.kind, key, slot, holder }))
    })
  }

  async function take(events: Events): Promise<Slot[]> {
    const since = performance.now()
    const keys = limits.map(limit => keysOf(limit, events))
    refuse(keys, events.length)
    const holder = randomUUID()
    const taken: Slot[] = []
    for (const [at, limit] of limits.entries()) {
      const slots = await takeOf(limit, keys[at]!, holder).catch(async error => free(taken).then(() => Promise.reject(error as Error)))
      taken.push(...slots)
      const first = refused(limit, keys[at]!, slots)
      if (!first) continue
      await free(taken)
      throw first
    }
    if (performance.now() - since < Math.max(LEAST_USABLE_MS, Math.min(...limits.map(({ slotMs }) => slotMs)))) return taken
    await free(taken)
    return take(events)
  }

  /** What can't be given back is free when its time is over. */
  async function free(slots: Slot[]): Promise<void> {
    if (slots.length === 0) return
    await use(session => session.query(freeSlots(context, consumer, slots)))
      .catch((error: unknown) => logger.warn(`consumer ${consumer} could not give slots of a limit back: ${messageOf(error)}`))
    for (const slot of slots) closedUntil.delete(lineOf(slot, slot.key))
  }

  async function runWithin(run: RunHandler, ...[entries, shards, attempts, keep]: Parameters<RunHandler>): Promise<void> {
    const taken = (await take(entries)).filter(({ kind }) => kind === 'concurrency')
    for (const slot of taken) held.add(slot)
    try {
      await run(entries, shards, attempts, keep)
    }
    finally {
      for (const slot of taken) held.delete(slot)
      await free(taken)
      if (taken.length > 0) heldUntil = 0
      for (const slot of taken) onFree(lineOf(slot, slot.key))
    }
  }

  const isHolding = () => heldUntil > performance.now()

  return {
    closedFor,
    isHolding,
    hold: ms => void (heldUntil = Math.max(heldUntil, performance.now() + Math.min(ms, MOST_HELD_MS))),
    nextIn: () => isHolding() ? heldUntil - performance.now() : Infinity,
    within: run => limits.length === 0 ? run : (...call) => runWithin(run, ...call),
    async keep() {
      if (limits.length === 0) return
      if (held.size > 0) await use(session => session.query(renewSlots(context, consumer, [...held], leaseMs)))
      if (performance.now() < sweepAt) return
      sweepAt = performance.now() + SWEEP_MS
      for (const line of [...closedUntil.keys()]) if (closedFor(line) <= 0) closedUntil.delete(line)
      await use(session => session.query(sweepSlots(context, consumer)))
    },
  }
}
