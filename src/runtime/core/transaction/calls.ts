import { setImmediate as nextTurn } from 'node:timers/promises'
import { transactionEnded } from '../db/transactionScope'
import { isObject } from '../shared/json'

type Call = (...args: unknown[]) => unknown

// These return an object that makes calls later.
const LAZY = new Set(['iterate', 'of'])

/** The calls that a caller makes on one transaction. */
export interface TransactionCalls {
  /** Wraps an API: its calls are tracked, and refused once the work has ended. */
  on<Calls extends object>(calls: Calls): Calls
  /**
   * Runs the work, then waits for the calls that it has not awaited.
   * @throws what the work throws, else the first error of those calls; INVALID_CALL when another call was made while
   *   waiting
   */
  during<T>(work: () => Promise<T>): Promise<T>
}

export function createTransactionCalls(): TransactionCalls {
  const underWay = new Set<Promise<unknown>>()
  let state: 'open' | 'ending' | 'ended' = 'open'
  const refused: Promise<never>[] = []

  function track(call: Promise<unknown>): Promise<unknown> {
    // The caller gets this very promise, without another handler: if the caller does not handle its rejection, Node
    // reports it as unhandled.
    const given: Promise<unknown> = call.then((result) => {
      underWay.delete(given)
      return result
    }, (error: unknown) => {
      underWay.delete(given)
      throw error
    })
    underWay.add(given)
    return given
  }

  function refuse(): Promise<never> {
    const refusal = Promise.reject<never>(transactionEnded())
    if (state === 'ending') refused.push(refusal)
    return refusal
  }

  const wrapped = (name: string, call: Call): Call => (...args) => {
    if (state !== 'open' && !LAZY.has(name)) return refuse()
    const result = call(...args)
    if (result instanceof Promise) return track(result)
    return isObject(result) ? on(result) : result
  }

  // Iterators are passed on unwrapped: their methods are on the prototype.
  const on = <Calls extends object>(calls: Calls): Calls => Symbol.asyncIterator in calls
    ? calls
    : Object.fromEntries(Object.entries(calls).map(([name, member]) =>
      [name, typeof member === 'function' ? wrapped(name, member as Call) : isObject(member) ? on(member) : member])) as Calls

  /** Waits for the calls that were made before the work ended: they belong to the transaction. */
  async function finish(): Promise<void> {
    state = 'ending'
    if (underWay.size > 0) {
      const outcomes = await Promise.allSettled(underWay)
      const failed = outcomes.find(({ status }) => status === 'rejected') as PromiseRejectedResult | undefined
      if (failed) throw failed.reason
      // Code that awaited one of these calls makes its next call by then. It is refused, and fails the transaction:
      // half of such a sequence must not be committed.
      await nextTurn()
    }
    state = 'ended'
    await Promise.all(refused)
  }

  return {
    on,
    async during(work) {
      try {
        const result = await work()
        await finish()
        return result
      }
      catch (error) {
        state = 'ended'
        // The rejection of the transaction is enough: the other rejections would be unhandled and end the process.
        void Promise.allSettled([...underWay, ...refused])
        throw error
      }
    },
  }
}
