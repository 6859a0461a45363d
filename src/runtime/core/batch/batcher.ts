import { nextTick, now, setTimer } from '../shared/timer'
import type { Batching, Gate, Room } from './batching'
import { ROWS } from './batching'
import type { InLine } from './lanes'
import { createLanes } from './lanes'
import type { Call, LoneOperation, Operation, Queue, Use, Work } from './operation'
import type { Awaited, Batched, Shared, WaitError } from './settle'
import { noRoom, sendOne, sendTogether } from './settle'

/** A call in the queue. */
interface Pending<O = LoneOperation<unknown, unknown>> extends Awaited<O>, InLine {
  since: number
  /** Undefined for a call that is always sent alone. */
  kind: string | undefined
  bytes: number
}

type PendingShared = Pending<Operation<unknown, unknown>>

interface Started {
  at: number
  shared: boolean
}

const WORK: LoneOperation<Work<unknown>, unknown> = { one: (session, tables, work) => work(session, tables) }
const ANY_ROOM: Room = { most: Infinity, free: Infinity, waitMs: 0 }

/**
 * Sends calls in the order of each key and combines concurrent calls into one statement. A single call is sent at once;
 * calls that arrive while statements are running form the next one. Results and errors are those of separate calls, and
 * every call settles, whatever happens to its statement. `roomOf` returns undefined when there is one connection, or
 * none yet.
 */
export function createBatcher(use: Use, gate: Gate, batching: Batching = ROWS, roomOf = (): Room | undefined => ANY_ROOM): Queue {
  const { parallel, minKeys, maxCalls, maxBytes, maxKeys, ordered, stallMs } = batching
  const lanes = createLanes<Pending>(beReady)
  // Calls that are first on all their keys, in the order in which they became so.
  let shared: PendingShared[] = []
  let alone: Pending[] = []
  const started = new Set<Started>()
  let scheduled = false
  let scheduledAt = 0
  let lastMovedAt = 0
  let timer: ReturnType<typeof setTimer> | undefined

  function beReady(pending: Pending): void {
    if (isShared(pending)) shared.push(pending)
    else alone.push(pending)
  }

  function enter(pending: Pending): void {
    if (lanes.enter(pending)) beReady(pending)
  }

  function schedule(): void {
    if (scheduled) return
    scheduled = true
    scheduledAt = now()
    // Runs after callers whose calls just settled have made their next ones, and before any I/O or timer.
    nextTick(flush)
  }

  function flush(): void {
    scheduled = false
    while (shared.length + alone.length > 0) {
      const startableNow = shared.length > 0 ? startable() : 0
      const isAlone = alone.length > 0 && (startableNow === 0 || alone[0]!.since < shared[0]!.since)
      if ((!isAlone && startableNow === 0) || !hasRoom()) {
        timer ??= setTimer(lookAgain, stallMs)
        return
      }
      if (isAlone) startAlone(alone.shift()!)
      // Distributes the keys evenly over the statements that may start now.
      else startShared(take(Math.max(Math.ceil(shared.length / startableNow), minKeys)))
    }
  }

  /** Number of shared statements that may start. When all running ones stall, one more may start each `stallMs`. */
  function startable(): number {
    let [count, latest] = [0, 0]
    for (const statement of started) {
      if (!statement.shared) continue
      count++
      latest = Math.max(latest, statement.at)
    }
    return count < parallel ? parallel - count : Number(now() - latest >= stallMs)
  }

  /** One connection is always left to other calls, so that calls waiting for locks do not block everything else. */
  function hasRoom(): boolean {
    const { most, free } = roomOf() ?? { most: Infinity, free: 0 }
    return started.size < (most > 1 ? Math.min(parallel, most - 1) : parallel) || free > 1
  }

  /** Takes the calls of the next statement: those of the same kind as the first one, without overtaking on any key. */
  function take(mostKeys: number): Batched<PendingShared>[] {
    const [first] = shared as [PendingShared]
    const groups: Batched<PendingShared>[] = []
    const rest: PendingShared[] = []
    const end = Math.min(shared.length, maxKeys)
    let [at, calls, bytes] = [0, 0, 0]
    for (; at < end && calls < maxCalls && groups.length < mostKeys; at++) {
      const head = shared[at]!
      if (calls > 0 && !fits(head, first, bytes)) {
        rest.push(head)
        continue
      }
      const group: Batched<PendingShared> = { calls: [head], folded: head.input }
      bytes = fold(group, head, maxCalls - calls, bytes + head.bytes)
      calls += group.calls.length
      groups.push(group)
    }
    shared = rest.length > 0 ? rest.concat(shared.slice(at)) : shared.slice(at)
    return groups
  }

  const fits = (call: PendingShared, first: PendingShared, bytes: number) =>
    call.operation === first.operation && call.kind === first.kind && bytes + call.bytes <= maxBytes

  /** Adds the following calls on the same key, as long as a single input can represent all of them. */
  function fold(group: Batched<PendingShared>, head: PendingShared, limit: number, bytes: number): number {
    if (!head.followed) return bytes
    const lane = lanes.on(head.key)
    for (let at = 1; at < lane.length && at < limit; at++) {
      const next = lane[at]!
      if (!isShared(next) || !fits(next, head, bytes)) break
      const folded = foldedOf(group, next)
      if (folded === undefined) break
      group.calls.push(next)
      group.folded = folded
      bytes += next.bytes
    }
    return bytes
  }

  function startShared(groups: Batched<PendingShared>[]): void {
    void start(true, groups, () => sendTogether(use, groups, ordered))
  }

  function startAlone(pending: Pending): void {
    void start(false, [{ calls: [pending], folded: undefined }], () => sendOne(use, pending))
  }

  async function start(isTogether: boolean, groups: Batched<Pending>[], send: () => Promise<WaitError | undefined>): Promise<void> {
    const statement: Started = { at: now(), shared: isTogether }
    started.add(statement)
    lastMovedAt = statement.at
    if (!ordered) leave(groups)
    const wait = await send()
    if (ordered) leave(groups)
    started.delete(statement)
    lastMovedAt = now()
    let calls = 0
    for (const group of groups) calls += group.calls.length
    gate.leave(calls)
    if (wait) giveUp(wait)
    if (shared.length > 0) schedule()
    else flush()
  }

  function leave(groups: Batched<Pending>[]): void {
    for (const { calls } of groups) lanes.leave(calls[0]!, calls.length)
  }

  /** After waiting for a connection has timed out, rejects all calls that have waited as long instead of retrying them. */
  function giveUp(wait: WaitError): void {
    const latest = now() - wait.details.waitedMs
    const isLate = ({ since }: Pending) => since <= latest
    // Repeated, since rejecting a call makes others first on their keys.
    for (let late = [...shared, ...alone].filter(isLate); late.length > 0; late = [...shared, ...alone].filter(isLate)) {
      shared = shared.filter(pending => !isLate(pending))
      alone = alone.filter(pending => !isLate(pending))
      for (const pending of late) {
        pending.reject(wait)
        lanes.leave(pending, 1)
      }
      gate.leave(late.length)
    }
  }

  /** Checks again after `stallMs`: statements may have stalled, and connections may have become free. */
  function lookAgain(): void {
    timer = undefined
    const waitMs = roomOf()?.waitMs ?? 0
    if (waitMs > 0 && now() - lastMovedAt >= waitMs && !hasRoom()) giveUp(noRoom(waitMs, started.size))
    flush()
  }

  return {
    send: <I, R>(operation: Operation<I, R>, { kind, key, input, bytes }: Call<I>) => new Promise<R>((resolve, reject) => {
      gate.enter()
      schedule()
      enter({
        key, others: undefined, span: undefined, ahead: 0, followed: false, operation, kind, input, bytes, resolve, reject, since: scheduledAt,
      } as unknown as Pending)
    }),

    inOrder: <R>(on: Parameters<Queue['inOrder']>[0], work: Work<R>) => new Promise<R>((resolve, reject) => {
      gate.enter()
      const [[key, ...others], span] = 'prefix' in on ? [[''], on] : [[...new Set(on)], undefined]
      enter({
        key, others, span, ahead: 0, followed: false, operation: WORK, kind: undefined, input: work, bytes: 0, resolve, reject, since: now(),
      } as unknown as Pending)
      if (shared.length === 0) flush()
      else schedule()
    }),
  }
}

const isShared = (pending: Pending): pending is PendingShared => pending.kind !== undefined

function foldedOf({ folded, calls: [first] }: Batched, next: Shared): unknown {
  try {
    return first!.operation.fold(folded, next.input)
  }
  catch {
    // The call is sent alone instead, and fails by itself if its input is bad.
    return undefined
  }
}
