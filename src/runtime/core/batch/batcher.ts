import { nextTick, now, setTimer } from '../shared/timer'
import type { Batching, Gate, Room } from './batching'
import { ROWS } from './batching'
import type { InLine } from './lanes'
import { createLanes } from './lanes'
import type { Call, LoneOperation, Operation, Queue, Use, Work } from './operation'
import type { Awaited, Batched, Shared, WaitError } from './settle'
import { noRoom, sendOne, sendTogether } from './settle'

interface Pending<O = LoneOperation<unknown, unknown>> extends Awaited<O>, InLine {
  since: number
  /** Undefined for one that goes out alone. */
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
 * Sends calls in the order of each key, and makes one statement of those that come at the same time. A lone call goes
 * out at once; calls that come while statements are under way form the next one. Results and errors are those of
 * single calls. Every call settles, whatever becomes of its statement. `roomOf` gives undefined where there is one
 * connection, or none yet.
 */
export function createBatcher(use: Use, gate: Gate, batching: Batching = ROWS, roomOf = (): Room | undefined => ANY_ROOM): Queue {
  const { parallel, minKeys, maxCalls, maxBytes, maxKeys, ordered, stallMs } = batching
  const lanes = createLanes<Pending>(beReady)
  // First on all their keys; the one that became so first comes first.
  let shared: PendingShared[] = []
  let alone: Pending[] = []
  const started = new Set<Started>()
  let scheduled = false
  let turnStartedAt = 0
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
    turnStartedAt = now()
    // After the callers that were just answered have made their next calls, and before any input or timer.
    nextTick(flush)
  }

  function flush(): void {
    scheduled = false
    while (shared.length + alone.length > 0) {
      const most = shared.length > 0 ? startable() : 0
      const isAlone = alone.length > 0 && (most === 0 || alone[0]!.since < shared[0]!.since)
      if ((!isAlone && most === 0) || !hasRoom()) {
        timer ??= setTimer(lookAgain, stallMs)
        return
      }
      if (isAlone) startAlone(alone.shift()!)
      // As many keys as leave the same for each of the statements that may follow.
      else startShared(take(Math.max(Math.ceil(shared.length / most), minKeys)))
    }
  }

  /** How many shared statements may start: once all that are at work stall, one after the other. */
  function startable(): number {
    let [count, latest] = [0, 0]
    for (const statement of started) {
      if (!statement.shared) continue
      count++
      latest = Math.max(latest, statement.at)
    }
    return count < parallel ? parallel - count : Number(now() - latest >= stallMs)
  }

  /** The last connection is left to others: calls that wait for locks must not stop everything else. */
  function hasRoom(): boolean {
    const { most, free } = roomOf() ?? { most: Infinity, free: 0 }
    return started.size < (most > 1 ? Math.min(parallel, most - 1) : parallel) || free > 1
  }

  /** The calls of the next statement: those of the kind of the first one, none past an earlier one of its key. */
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

  /** Adds the calls behind the first one of its key, as far as one input can stand for all of them. */
  function fold(group: Batched<PendingShared>, head: PendingShared, most: number, bytes: number): number {
    if (!head.followed) return bytes
    const lane = lanes.on(head.key)
    for (let at = 1; at < lane.length && at < most; at++) {
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

  /** When no connection came, the calls that have waited as long need not wait for one once more. */
  function giveUp(wait: WaitError): void {
    const latest = now() - wait.details.waitedMs
    const isLate = ({ since }: Pending) => since <= latest
    // With those that are first on their keys only because others have been given up.
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

  /** By now statements may stall, and connections of others may have become free. */
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
        key, others: undefined, span: undefined, ahead: 0, followed: false, operation, kind, input, bytes, resolve, reject, since: turnStartedAt,
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
    // Alone it may be fine, and fails by itself if it is not.
    return undefined
  }
}
