import { sqlStateOf } from '../db/errors'
import { StoreError } from '../shared/errors'
import { refuseOptions } from '../shared/extraArguments'
import type { Logger } from '../shared/types'
import type { CallInfo, OperationMetrics } from './types'
import type { Emit } from './storeEvents'
import type { Metrics } from './metrics'
import { codeOf, countCall, countError } from './metrics'
import { withOperation } from './callNames'
import { isTraced, traced } from './trace'

type Call = (...args: unknown[]) => unknown

/** Where calls are made: on the store, or inside one transaction, whose events are counted after the commit. */
export interface Place {
  transaction: boolean
  written(events: number): void
  /** The transaction is retried: the events of the failed attempt do not count. */
  restart(): void
}

export interface Observer {
  /** Wraps an API: its calls are counted and traced. `tableOf` gives the table of a call's first argument. */
  api<S extends object>(tier: string, api: S, tableOf: TableOf, place?: Place): S
  /** Runs one call that belongs to no API, such as `transaction`. */
  call<R>(operation: string, run: (place: Place) => Promise<R>): Promise<R>
}

export type TableOf = (subject: string) => string | undefined

interface ObserverOptions {
  metrics: Metrics
  emit: Emit
  logger: Logger
  /** Milliseconds; 0: no call is slow. */
  slowCallMs: number
  onConnectionError(error: StoreError): void
}

/** One operation with all that its calls have in common, so that a call allocates as little as possible. */
interface Watched {
  stats: OperationMetrics
  describe(args: unknown[]): CallInfo
  call: Call
  succeeded(result: unknown, args: unknown[]): void
}

// Calls whose results are the events that were written.
const WRITING = new Set(['stream.append', 'stream.appendMany', 'stream.appendAll'])
// A concurrent transaction was the cause: serialization failure, deadlock.
const ENDED_BY_OTHERS = new Set(['40001', '40P01'])
// The server is a standby: the connection works, and so do reads.
const READ_ONLY = '25006'
// Caused by the caller: the store works.
const OF_CALLERS = new Set(['INVALID_VALUE', 'INVALID_CALL', 'INVALID_OPTION', 'NOT_FOUND', 'VERSION_CONFLICT', 'CLOSED', 'OTHER'])

/**
 * Observes calls by wrapping every method of an API. A call that does not return a promise but an iterator or a view
 * is not counted.
 */
export function createObserver(options: ObserverOptions): Observer {
  const { metrics, emit } = options
  const onStore: Place = {
    transaction: false,
    written(events) {
      metrics.counts.eventsWritten += events
    },
    restart() {},
  }

  function watch(watched: Watched, args: unknown[]): unknown {
    const { stats, call } = watched
    const since = performance.now()
    const result = isTraced() ? traced(watched.describe(args), () => call(...args)) : call(...args)
    if (!(result instanceof Promise)) return result
    stats.active++
    return result.then((value: unknown) => {
      end(watched, args, since)
      watched.succeeded(value, args)
      return value
    }, (error: unknown) => {
      const described = watched.describe(args)
      end(watched, args, since)
      countError(stats, error)
      judge(described, error)
      throw withOperation(error, described.operation, since)
    })
  }

  function end({ stats, describe }: Watched, args: unknown[], since: number): void {
    const durationMs = performance.now() - since
    stats.active--
    countCall(stats, durationMs)
    if (options.slowCallMs > 0 && durationMs > options.slowCallMs) slow({ ...describe(args), durationMs })
  }

  function slow(call: CallInfo & { durationMs: number }): void {
    metrics.counts.slowCalls++
    const where = [call.table && ` on ${call.table}`, call.transaction && ' in a transaction'].filter(Boolean).join('')
    options.logger.warn(`slow call: ${call.operation}${where} took ${Math.round(call.durationMs)} ms`)
    emit('slow', call)
  }

  function conflict(call: CallInfo, code: string): void {
    metrics.counts.conflicts++
    emit('conflict', { ...call, code })
  }

  function judge(call: CallInfo, error: unknown): void {
    const code = codeOf(error)
    if (code === 'VERSION_CONFLICT' || ENDED_BY_OTHERS.has(sqlStateOf(error) ?? '')) conflict(call, code)
    else if (!OF_CALLERS.has(code)) emit('error', { operation: call.operation, error })
    if (error instanceof StoreError && code === 'CONNECTION' && sqlStateOf(error) !== READ_ONLY) options.onConnectionError(error)
  }

  function wrapped(operation: string, call: Call, tableOf: TableOf, place: Place): Call {
    const describe = (args: unknown[]): CallInfo => ({ operation, table: tableIn(args, tableOf), transaction: place.transaction })
    const watched: Watched = {
      stats: metrics.operation(operation),
      describe,
      call,
      succeeded: WRITING.has(operation)
        ? result => place.written(Array.isArray(result) ? result.flat().length : 1)
        : (result, args) => {
            if (result === false && isConditional(args)) conflict(describe(args), 'VERSION_CONFLICT')
          },
    }
    const refusal = refuseOptions(operation)
    return (...args) => refusal(args) ?? watch(watched, args)
  }

  return {
    api: (tier, api, tableOf, place = onStore) => Object.fromEntries(Object.entries(api).map(([name, member]) =>
      [name, typeof member === 'function' ? wrapped(`${tier}.${name}`, member as Call, tableOf, place) : member])) as typeof api,

    call<R>(operation: string, run: (place: Place) => Promise<R>) {
      let events = 0
      const inside: Place = {
        transaction: true,
        written(more) {
          events += more
        },
        restart() {
          events = 0
        },
      }
      return watch({
        stats: metrics.operation(operation),
        describe: () => ({ operation, table: undefined, transaction: false }),
        call: () => run(inside),
        succeeded: () => onStore.written(events),
      }, []) as Promise<R>
    },
  }
}

function tableIn([subject]: unknown[], tableOf: TableOf): string | undefined {
  return typeof subject === 'string' && subject !== '' ? tableOf(subject) : undefined
}

/** Whether a call is a write that expects a certain version. */
function isConditional(args: unknown[]): boolean {
  const options = args.at(-1)
  return typeof options === 'object' && options !== null && (options as { expectedVersion?: unknown }).expectedVersion !== undefined
}
