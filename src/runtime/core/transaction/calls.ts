import { setImmediate as nextTurn } from 'node:timers/promises'
import { transactionEnded } from '../db/transactionScope'
import { isObject } from '../shared/json'

type Call = (...args: unknown[]) => unknown

// They give something that makes calls later on.
const LAZY = new Set(['iterate', 'of'])

/** The calls a caller makes on one transaction. */
export interface TransactionCalls {
  /** The same calls, refused once the work has ended. */
  on<Calls extends object>(calls: Calls): Calls
  /**
   * Runs the work, and waits for the calls it has not awaited.
   * @throws what the work throws; else the first error of those calls, and INVALID_CALL when one was made meanwhile
   */
  during<T>(work: () => Promise<T>): Promise<T>
}

export function createTransactionCalls(): TransactionCalls {
  const underWay = new Set<Promise<unknown>>()
  let state: 'open' | 'ending' | 'ended' = 'open'
  const refused: Promise<never>[] = []

  function track(call: Promise<unknown>): Promise<unknown> {
    // The promise the caller gets has no other listener, so that a rejection nobody handles is still reported.
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

  /** Iterators keep the methods of their prototype. */
  const on = <Calls extends object>(calls: Calls): Calls => Symbol.asyncIterator in calls
    ? calls
    : Object.fromEntries(Object.entries(calls).map(([name, member]) =>
      [name, typeof member === 'function' ? wrapped(name, member as Call) : isObject(member) ? on(member) : member])) as Calls

  /** Those that were called before the work ended belong to it. */
  async function finish(): Promise<void> {
    state = 'ending'
    if (underWay.size > 0) {
      const outcomes = await Promise.allSettled(underWay)
      const failed = outcomes.find(({ status }) => status === 'rejected') as PromiseRejectedResult | undefined
      if (failed) throw failed.reason
      // What waited for them has made its next call by then: half of such work must not be kept.
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
        // The transaction rejects: that reports those nobody waits for any more, which would end the process else.
        void Promise.allSettled([...underWay, ...refused])
        throw error
      }
    },
  }
}
