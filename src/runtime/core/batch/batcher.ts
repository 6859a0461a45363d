import type { Session, StreamTables } from '../db/types'
import { StoreError } from '../errors'

/** The inputs of one key, in the order they were given, and the one input that stands for all of them. */
export interface Group<I> {
  inputs: I[]
  folded: I
}

/** An operation that can be sent alone, or together with others of its kind. */
export interface Operation<I, R> {
  one(session: Session, tables: StreamTables, input: I): Promise<R>
  /**
   * Sends several inputs in one statement.
   * @returns the results of each group, one for each input; undefined for a group that has to be sent input by input
   */
  many(session: Session, tables: StreamTables, groups: Group<I>[]): Promise<(R[] | undefined)[]>
  /** One input that does what two do one after the other; undefined when there is none, and the second has to wait. */
  fold(first: I, second: I): I | undefined
}

export interface Call<I> {
  /** Calls of one kind can share a statement. */
  kind: string
  /** Calls of one key keep their order. */
  key: string
  input: I
  /** About how much of a statement it takes. */
  bytes: number
}

export type Send = <I, R>(operation: Operation<I, R>, call: Call<I>) => Promise<R>

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

const MAX_CALLS = 512
const MAX_BYTES = 1 << 20
const MAX_QUEUE = 8_192
// Two statements at work keep the server busy while this process prepares the next one.
const PARALLEL = 2
// Statements that take longer than this may wait for a lock somebody holds; the others then go around them.
const STALL_MS = 20
const MAX_PARALLEL = 6

/**
 * Makes one statement of calls that come at the same time. A lone call goes out at once; calls that come while
 * statements are under way form the next one. Calls of one key go out in the order they came, one statement at a
 * time; results and errors are those of single calls.
 */
export function createBatcher(use: Use): Send {
  let queue: Pending[] = []
  const waiting: (() => void)[] = []
  const busy = new Set<string>()
  const started = new Set<{ at: number }>()
  let scheduled = false
  let stalled: NodeJS.Timeout | undefined

  function schedule(): void {
    if (scheduled) return
    scheduled = true
    // After the callers that were just answered have made their next calls, and before any input or timer.
    process.nextTick(flush)
  }

  function flush(): void {
    scheduled = false
    while (queue.length > 0 && mayStart()) {
      const groups = take()
      if (groups.length === 0) return
      void start(groups)
    }
  }

  function mayStart(): boolean {
    if (started.size < PARALLEL) return true
    if (started.size >= MAX_PARALLEL) return false
    const age = performance.now() - Math.max(...[...started].map(({ at }) => at))
    if (age >= STALL_MS) return true
    stalled ??= setTimeout(() => {
      stalled = undefined
      schedule()
    }, STALL_MS - age)
    return false
  }

  /** The calls of the next statement: those of the kind of the first that may go, none past an earlier one of its key. */
  function take(): Batched[] {
    const groups = new Map<string, Batched>()
    const held = new Set<string>()
    const rest: Pending[] = []
    let first: Pending | undefined
    let [calls, bytes] = [0, 0]
    for (const call of queue) {
      const fits = first === undefined
        || (call.kind === first.kind && calls < MAX_CALLS && bytes + call.bytes <= MAX_BYTES)
      if (fits && !busy.has(call.key) && !held.has(call.key) && join(groups, call)) {
        first ??= call
        calls++
        bytes += call.bytes
      }
      else {
        held.add(call.key)
        rest.push(call)
      }
    }
    queue = rest
    while (queue.length < MAX_QUEUE && waiting.length > 0) waiting.shift()!()
    return [...groups.values()]
  }

  async function start(groups: Batched[]): Promise<void> {
    const statement = { at: performance.now() }
    const keys = groups.map(({ calls }) => calls[0]!.key)
    started.add(statement)
    keys.forEach(key => busy.add(key))
    await run(groups)
    keys.forEach(key => busy.delete(key))
    started.delete(statement)
    if (queue.length > 0) schedule()
  }

  async function run(groups: Batched[]): Promise<void> {
    const [{ calls, calls: [call] }] = groups as [Batched]
    if (groups.length === 1 && calls.length === 1) return alone(calls)
    try {
      const results = await use((session, tables) => call!.operation.many(session, tables, groups))
      groups.forEach((group, at) => results[at]?.forEach((result, of) => group.calls[of]!.resolve(result)))
      await alone(groups.filter((_, at) => results[at] === undefined).flatMap(group => group.calls))
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
    }
  }

  async function alone(calls: Pending[]): Promise<void> {
    for (const call of calls) {
      await use((session, tables) => call.operation.one(session, tables, call.input)).then(call.resolve, (error) => {
        call.reject(error)
        giveUp(error)
      })
    }
  }

  /** When no connection came, those that have waited as long in the queue need not wait for one once more. */
  function giveUp(error: unknown): void {
    if (!(error instanceof StoreError) || typeof error.details.waitedMs !== 'number') return
    const latest = performance.now() - error.details.waitedMs
    const late = queue.filter(({ since }) => since <= latest)
    queue = queue.filter(({ since }) => since > latest)
    late.forEach(call => call.reject(error))
  }

  return (operation, call) => new Promise((resolve, reject) => {
    const pending = { ...call, operation, resolve, reject, since: performance.now() } as unknown as Pending
    const enqueue = () => {
      queue.push(pending)
      schedule()
    }
    if (queue.length >= MAX_QUEUE || waiting.length > 0) waiting.push(enqueue)
    else enqueue()
  })
}

/** Puts a call into its group; false when it can't go out together with those that are in it. */
function join(groups: Map<string, Batched>, call: Pending): boolean {
  const group = groups.get(call.key)
  if (!group) {
    groups.set(call.key, { calls: [call], inputs: [call.input], folded: call.input })
    return true
  }
  const folded = call.operation.fold(group.folded, call.input)
  if (folded === undefined) return false
  group.calls.push(call)
  group.inputs.push(call.input)
  group.folded = folded
  return true
}

/** The database said no, so nothing of the statement was kept. After a lost connection nobody knows. */
function isRolledBack(error: unknown): boolean {
  return error instanceof StoreError && (error.details.sqlState !== undefined || error.code === 'INVALID_VALUE') && error.code !== 'CONNECTION'
}
