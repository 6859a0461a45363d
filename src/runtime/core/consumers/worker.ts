import { randomUUID } from 'node:crypto'
import type { GlobalReader } from '../log/reader'
import { createWakeablePause } from '../log/subscriptions/wakeablePause'
import type { GlobalEvent } from '../log/types'
import { createBackoff } from '../shared/backoff'
import { messageOf } from '../shared/errors'
import { unref } from '../shared/timer'
import type { Logger } from '../shared/types'
import type { StreamOperations } from '../stream/types'
import { isOfDatabase } from './attempt'
import { Exhausted, TooManyParked, createHandling } from './handling'
import type { HandlingOptions } from './handling'
import { Fenced, createLease } from './lease'
import { readParked } from './parkedSql'
import { createParkedSubjects, toParked } from './parkedSubjects'
import type { Waiting } from './parkedSubjects'
import { nextUnit } from './schedule'
import { begin, end, fill, shardsOf } from './shard'
import type { Shard, Unit } from './shard'

// Read at once, whatever handlers get: a page costs a statement for each table.
const PAGE = 1_000
// Read ahead of the handlers at most.
const MOST_READ = 4 * PAGE
const SAVE_MS = 100
const AGAIN_MS = 20

export interface WorkerParts extends Pick<HandlingOptions, 'context' | 'use' | 'within'> {
  reader: GlobalReader
  read: StreamOperations['read']
  logger: Logger
  /** Calls back when there may be new events, until the result is called. */
  listen(onWake: () => void): () => Promise<void>
}

interface WorkerOptions extends WorkerParts, Pick<HandlingOptions, 'settings' | 'killed'> {
  /** Aborts when nothing new may begin. */
  stopping: AbortSignal
  isPaused(): boolean
}

type ShardedEvent = GlobalEvent & { shard: number }

/** What one process does for a consumer, between its start and its stop. */
export interface Worker {
  /**
   * Handles events until it is stopped.
   * @throws {Exhausted} when the consumer gives up
   */
  run(): Promise<void>
  /** There may be new events, or a change of what it may do. */
  wake(): void
  /** Shards that this process holds. */
  shards(): number
}

export function createWorker(options: WorkerOptions): Worker {
  const { context, use, reader, read, logger, settings, stopping, killed } = options
  const { name, leaseMs, concurrency } = settings
  const bySubject = settings.transaction === 'none' && settings.order === 'subject'
  const parked = createParkedSubjects()
  const lease = createLease({ context, use, consumer: name, member: randomUUID(), shards: settings.shards, leaseMs, onClaim })
  const { handle, again, unpark } = createHandling({ ...options, parked })
  const pause = createWakeablePause()
  const backoff = createBackoff({ first: 100, max: 10_000, jitter: [0.5, 1.5] })
  const underWay = new Set<Promise<void>>()
  let failure: { error: unknown } | undefined
  // Times by the clock of this process, at which something is due.
  let readAt = 0
  let balanceAt = 0
  let refreshAt = 0
  let saveAt = 0
  let resumeAt = 0
  let wasRetry = false
  const busy = { reading: false, keeping: false, saving: false }

  async function parkedOf(shards: number[]) {
    return (await use(session => session.query(readParked(context, name, shards)))).rows.map(toParked)
  }

  async function onClaim(shards: number[]): Promise<() => void> {
    const rows = await parkedOf(shards)
    return () => rows.forEach(parked.set)
  }

  /** Runs something beside the loop, which goes on when it ends. */
  function beside(work: () => Promise<void>, ended?: () => void): void {
    const running = work().catch(trouble).finally(() => {
      underWay.delete(running)
      ended?.()
      pause.wake()
    })
    underWay.add(running)
  }

  function trouble(error: unknown): void {
    if (error instanceof Fenced || killed.aborted) return
    if (error instanceof Exhausted) {
      failure ??= { error }
      return
    }
    const wait = backoff.next()
    resumeAt = performance.now() + wait
    if (!isOfDatabase(error)) logger.warn(`consumer ${name} tries again in ${Math.round(wait)} ms: ${messageOf(error)}${error instanceof TooManyParked ? `, the last one with: ${messageOf(error.cause)}` : ''}`)
  }

  /** Something went wrong, and whether it was committed may not be known: the truth is read again with the next lease. */
  function drop(shard: number): void {
    const held = lease.held.get(shard)
    if (held) lease.drop(held)
    balanceAt = 0
  }

  /** Takes and gives shards, and reads what an operator may have changed. */
  async function keep(): Promise<void> {
    if (performance.now() >= balanceAt) {
      await lease.balance()
      balanceAt = performance.now() + leaseMs / (lease.held.size === 0 ? 20 : 10)
    }
    if (performance.now() < refreshAt || lease.held.size === 0) return
    const { changes } = parked
    const rows = await parkedOf([...lease.held.keys()])
    if (parked.changes === changes) for (const shard of parked.refresh(rows)) drop(shard)
    refreshAt = performance.now() + Math.min(leaseMs / 3, 1_000)
  }

  /** Reads a page for the shards that are furthest behind, up to where the next ones are. */
  async function readMore(): Promise<void> {
    const { safePosition, head } = await reader.mark()
    const shards = [...lease.held.values()].filter(({ isLeaving }) => !isLeaving)
    if (shards.length === 0) return
    const from = shards.reduce((lowest, { readTo }) => readTo < lowest ? readTo : lowest, shards[0]!.readTo)
    const group = shards.filter(({ readTo }) => readTo === from)
    const upTo = shards.reduce((lowest, { readTo }) => readTo > from && readTo < lowest ? readTo : lowest, safePosition)
    // What is appended and not settled yet will be soon: there may be no other wake for it.
    readAt = performance.now() + (safePosition < head ? AGAIN_MS : settings.pollInterval)
    if (upTo <= from) return
    const events = await readPage(from, upTo, group)
    const readTo = events.length >= PAGE ? BigInt(events.at(-1)!.event.id) : upTo
    const byShard = new Map(group.map(({ shard }) => [shard, [] as GlobalEvent[]]))
    for (const event of events) byShard.get(event.shard)?.push(event)
    for (const shard of group) if (lease.held.get(shard.shard) === shard) fill(shard, byShard.get(shard.shard)!, readTo)
    if (readTo < safePosition) readAt = 0
  }

  async function readPage(after: bigint, upTo: bigint, group: Shard[]): Promise<ShardedEvent[]> {
    const wanted = group.length === settings.shards ? undefined : group.map(({ shard }) => shard)
    const { subjects, types } = settings
    for await (const page of reader.pages({ after, upTo, subjects, types, page: PAGE, shards: { count: settings.shards, wanted } })) return page as ShardedEvent[]
    return []
  }

  async function save(): Promise<void> {
    const moved = [...lease.held.values()].filter(shard => shard.position > shard.saved && (bySubject || shard.running === 0))
    // Nothing of them begins meanwhile: two writers of one position would take each other for another process.
    for (const shard of moved) shard.running++
    try {
      await lease.save(moved)
    }
    finally {
      for (const shard of moved) shard.running--
      saveAt = performance.now() + SAVE_MS
    }
  }

  /** The events of a parked subject in their order, up to where its shard has passed them over. */
  async function retry(waiting: Waiting): Promise<void> {
    try {
      const shard = lease.held.get(waiting.shard)
      if (!shard) return
      const upTo = waiting.passedTo > shard.position ? waiting.passedTo : shard.position
      const page = await read(waiting.subject, { after: String(waiting.fromId - 1n), limit: settings.batchSize, types: settings.types ?? [] })
      for (const event of page) {
        if (BigInt(event.id) > upTo) break
        if (stopping.aborted || !await again(shard, waiting, event)) return
      }
      if (page.length >= settings.batchSize && BigInt(page.at(-1)!.id) <= upTo) return
      // The next holder reads from where the shard was saved, and must find the subject parked until it is behind this.
      if (waiting.passedTo > shard.saved || waiting.passedTo > upTo) waiting.dueAt = performance.now() + AGAIN_MS
      else await leave(shard, waiting)
    }
    catch (error) {
      drop(waiting.shard)
      throw error
    }
    finally {
      waiting.isRunning = false
    }
  }

  async function leave(shard: Shard, waiting: Waiting): Promise<void> {
    waiting.isLeaving = true
    try {
      await unpark(shard, waiting)
    }
    finally {
      waiting.isLeaving = false
    }
  }

  async function work(unit: Unit): Promise<void> {
    try {
      await handle(unit)
      backoff.reset()
    }
    catch (error) {
      for (const { shard } of shardsOf(unit)) drop(shard)
      throw error
    }
    finally {
      end(unit)
    }
  }

  let handling = 0

  /** Begins as much as there is room for. Retries and what is new take turns. */
  function dispatch(): void {
    while (handling < concurrency) {
      const waiting = wasRetry ? undefined : parked.due()
      const unit = waiting ? [] : nextUnit(lease.held.values(), mostOf(), { parked, bySubject })
      const late = waiting ?? (unit.length === 0 ? parked.due() : undefined)
      wasRetry = late !== undefined
      if (late) {
        late.isRunning = true
        counted(() => retry(late))
      }
      else if (unit.length > 0) {
        begin(unit)
        counted(() => work(unit))
      }
      else {
        return
      }
    }
  }

  function counted(work: () => Promise<void>): void {
    handling++
    beside(work, () => handling--)
  }

  /** How many events one unit gets: no more than its share, while other handlers have nothing to do. */
  function mostOf(): number {
    if (settings.transaction !== 'batch' && !settings.batchHandler) return 1
    let waiting = 0
    for (const shard of lease.held.values()) waiting += shard.entries.length
    return Math.max(1, Math.min(settings.batchSize, Math.ceil(waiting / (concurrency - handling))))
  }

  function readAhead(): number {
    let read = 0
    for (const { entries } of lease.held.values()) read += entries.length
    return read
  }

  function once(kind: keyof typeof busy, work: () => Promise<void>): void {
    if (busy[kind]) return
    busy[kind] = true
    beside(() => work().finally(() => (busy[kind] = false)))
  }

  /** One turn: begins what is due. Returns in how many milliseconds the next one is. */
  function turn(): number {
    const now = performance.now()
    lease.check()
    parked.keep(shard => lease.held.has(shard))
    if (now < resumeAt) return resumeAt - now
    if (now >= balanceAt || now >= refreshAt) once('keeping', keep)
    if (options.isPaused()) return SAVE_MS
    dispatch()
    if (now >= readAt && lease.held.size > 0 && readAhead() < MOST_READ) once('reading', readMore)
    const isMoved = [...lease.held.values()].some(({ position, saved }) => position > saved)
    if (isMoved && now >= saveAt) once('saving', save)
    return Math.max(0, Math.min(
      busy.keeping ? Infinity : balanceAt - now, busy.reading ? Infinity : Math.max(readAt - now, lease.held.size > 0 ? 0 : SAVE_MS),
      isMoved && !busy.saving ? saveAt - now : Infinity, handling < concurrency ? parked.nextIn() : Infinity, SAVE_MS * 10,
    ))
  }

  return {
    wake() {
      readAt = 0
      pause.wake()
    },
    shards: () => lease.held.size,
    async run() {
      const beat = heartbeat()
      const silence = options.listen(() => {
        readAt = 0
        pause.wake()
      })
      try {
        await beat.now()
        while (!stopping.aborted && !failure) await pause.wait(Math.max(1, turn()))
        while (underWay.size > 0) await Promise.all(underWay)
      }
      finally {
        await beat.stop()
        await silence()
        // What is not given back is found by others when the lease has run out.
        await lease.end().catch((error: unknown) => logger.warn(`consumer ${name} could not give its shards back: ${messageOf(error)}`))
      }
      if (failure) throw failure.error
    },
  }

  /** Extends the lease three times while it holds, also while a handler is under way. */
  function heartbeat() {
    let timer: NodeJS.Timeout | undefined
    let last: Promise<void> = Promise.resolve()
    let isStopped = false
    const beat = (): Promise<void> => last = lease.renew().catch(trouble).then(() => {
      if (isStopped) return
      timer = setTimeout(() => void beat(), leaseMs / 3)
      unref(timer)
    })
    return {
      now: beat,
      async stop() {
        isStopped = true
        clearTimeout(timer)
        await last
      },
    }
  }
}
