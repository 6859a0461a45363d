import type { Session, StreamTables } from '../db/types'
import { StoreError } from '../errors'
import type { Call, Group, Operation, Send } from './operation'

/** Counts calls that are under way. */
export interface Gate {
  /** @throws when there must be no more of them */
  enter(): void
  leave(calls: number): void
}

type Use = <R>(work: (session: Session, tables: StreamTables) => Promise<R>) => Promise<R>

interface Pending extends Call<unknown> {
  since: number
  operation: Operation<unknown, unknown>
  resolve(result: unknown): void
  reject(error: unknown): void
}

/** Calls of one key that go out together. */
interface Batched extends Group<unknown> {
  calls: Pending[]
}

/** How calls are put together. */
export interface Batching {
  /** Statements at work while none of them stalls. */
  parallel: number
  /** Fewer keys than this gain less from one more statement than it costs. */
  minKeys: number
  maxCalls: number
  /** Calls of one key wait for each other. */
  ordered: boolean
}

/** Single rows. Two statements at work keep the server busy while this process prepares the next one. */
export const ROWS: Batching = { parallel: 2, minKeys: 16, maxCalls: 512, ordered: true }
/** Pages take the server longer than their way there: they are spread over connections first. */
export const PAGES: Batching = { parallel: 6, minKeys: 1, maxCalls: 32, ordered: false }

const MAX_BYTES = 1 << 20
const MAX_QUEUE = 8_192
// Statements that take longer than this may wait for a lock somebody holds; the others then go around them.
const STALL_MS = 20
const MAX_STALLED = 4

/**
 * Makes one statement of calls that come at the same time. A lone call goes out at once; calls that come while
 * statements are under way form the next one. Calls of one key go out in the order they came, one statement at a
 * time; results and errors are those of single calls.
 */
export function createBatcher(use: Use, gate: Gate, { parallel, minKeys, maxCalls, ordered }: Batching = ROWS): Send {
  let queue: Pending[] = []
  const waiting: (() => void)[] = []
  const busy = new Set<string>()
  const started = new Set<{ at: number }>()
  let scheduled = false
  let turnStartedAt = 0
  let stalled: NodeJS.Timeout | undefined

  function schedule(): void {
    if (scheduled) return
    scheduled = true
    turnStartedAt = performance.now()
    // After the callers that were just answered have made their next calls, and before any input or timer.
    process.nextTick(flush)
  }

  function flush(): void {
    scheduled = false
    while (queue.length > 0 && mayStart()) {
      const groups = take(share())
      if (groups.length === 0) return
      void start(groups)
    }
  }

  function mayStart(): boolean {
    if (started.size < parallel) return true
    if (started.size >= parallel + MAX_STALLED) return false
    const age = performance.now() - Math.max(...[...started].map(({ at }) => at))
    if (age >= STALL_MS) return true
    stalled ??= setTimeout(() => {
      stalled = undefined
      schedule()
    }, STALL_MS - age)
    return false
  }

  /** How many keys the next statement may take: as many as leave the same for each of those that may follow. */
  function share(): number {
    return Math.max(Math.ceil(queue.length / Math.max(parallel - started.size, 1)), minKeys)
  }

  /** The calls of the next statement: those of the kind of the first that may go, none past an earlier one of its key. */
  function take(mostKeys: number): Batched[] {
    if (queue.length === 1) return takeLone()
    const groups = new Map<string, Batched>()
    const held = new Set<string>()
    const rest: Pending[] = []
    let first: Pending | undefined
    let [at, calls, bytes] = [0, 0, 0]
    for (; at < queue.length && calls < maxCalls; at++) {
      const call = queue[at]!
      const fits = first === undefined
        || (call.operation === first.operation && call.kind === first.kind && bytes + call.bytes <= MAX_BYTES)
      if (fits && !busy.has(call.key) && !(held.size > 0 && held.has(call.key)) && join(groups, call, mostKeys)) {
        first ??= call
        calls++
        bytes += call.bytes
      }
      else {
        held.add(call.key)
        rest.push(call)
      }
    }
    queue = rest.length > 0 ? rest.concat(queue.slice(at)) : queue.slice(at)
    while (queue.length < MAX_QUEUE && waiting.length > 0) waiting.shift()!()
    return [...groups.values()]
  }

  function takeLone(): Batched[] {
    const [call] = queue as [Pending]
    if (busy.has(call.key)) return []
    queue = []
    return [{ calls: [call], folded: call.input }]
  }

  async function start(groups: Batched[]): Promise<void> {
    const statement = { at: performance.now() }
    started.add(statement)
    let calls = 0
    for (const group of groups) {
      if (ordered) busy.add(group.calls[0]!.key)
      calls += group.calls.length
    }
    await run(groups)
    for (const group of groups) busy.delete(group.calls[0]!.key)
    started.delete(statement)
    gate.leave(calls)
    if (queue.length > 0) schedule()
  }

  async function run(groups: Batched[]): Promise<void> {
    const [{ calls, calls: [call] }] = groups as [Batched]
    if (groups.length === 1 && calls.length === 1) return single(calls[0]!)
    let results: (unknown[] | undefined)[]
    try {
      results = await use((session, tables) => call!.operation.many(session, tables, groups))
    }
    catch (error) {
      if (!isRolledBack(error)) {
        groups.forEach(group => group.calls.forEach(each => each.reject(error)))
        return giveUp(error)
      }
      // Somebody's value: the halves go on without each other, until the guilty call is alone.
      if (groups.length === 1) return alone(calls)
      const middle = Math.ceil(groups.length / 2)
      // Together: a statement that failed by its time-out would else be followed by one that waits as long again.
      await Promise.all([run(groups.slice(0, middle)), run(groups.slice(middle))])
      return
    }
    const refused: Pending[] = []
    for (const [at, { calls }] of groups.entries()) {
      const answers = results[at]
      if (answers) for (let of = 0; of < calls.length; of++) calls[of]!.resolve(answers[of])
      else refused.push(...calls)
    }
    if (refused.length > 0) await alone(refused)
  }

  async function alone(calls: Pending[]): Promise<void> {
    if (ordered) for (const call of calls) await single(call)
    else await Promise.all(calls.map(single))
  }

  const single = (call: Pending) => use((session, tables) => call.operation.one(session, tables, call.input)).then(call.resolve, (error) => {
    call.reject(error)
    giveUp(error)
  })

  /** When no connection came, those that have waited as long in the queue need not wait for one once more. */
  function giveUp(error: unknown): void {
    if (!(error instanceof StoreError) || typeof error.details.waitedMs !== 'number') return
    const latest = performance.now() - error.details.waitedMs
    const late = queue.filter(({ since }) => since <= latest)
    queue = queue.filter(({ since }) => since > latest)
    late.forEach(call => call.reject(error))
    gate.leave(late.length)
  }

  return <I, R>(operation: Operation<I, R>, { kind, key, input, bytes }: Call<I>) => new Promise<R>((resolve, reject) => {
    gate.enter()
    schedule()
    const pending = { operation, kind, key, input, bytes, resolve, reject, since: turnStartedAt } as unknown as Pending
    if (queue.length < MAX_QUEUE && waiting.length === 0) queue.push(pending)
    else waiting.push(() => queue.push(pending))
  })
}

/** Puts a call into its group; false when it can't go out together with those that are in it. */
function join(groups: Map<string, Batched>, call: Pending, mostKeys: number): boolean {
  const group = groups.get(call.key)
  if (!group) {
    if (groups.size >= mostKeys) return false
    groups.set(call.key, { calls: [call], folded: call.input })
    return true
  }
  const folded = call.operation.fold(group.folded, call.input)
  if (folded === undefined) return false
  group.calls.push(call)
  group.folded = folded
  return true
}

/** The database said no, so nothing of the statement was kept. After a lost connection nobody knows. */
function isRolledBack(error: unknown): boolean {
  return error instanceof StoreError && (error.details.sqlState !== undefined || error.code === 'INVALID_VALUE') && error.code !== 'CONNECTION'
}
