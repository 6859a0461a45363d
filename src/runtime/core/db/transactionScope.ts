import { StoreError } from '../shared/errors'
import { isInside, runInside } from '../shared/inside'
import type { Session } from './types'

/** Sends statements on a connection that is held for one transaction. */
export type Statements = Pick<Session, 'query' | 'queryLists' | 'raw' | 'script'>

/** A session with an end. */
export interface Scope {
  session: Session
  /**
   * Refuses further calls and waits for the running ones.
   * @throws the first error of the running calls, since nothing else may be awaiting them
   */
  finish(): Promise<void>
  /** Refuses every further statement, including those of running calls, and waits for the running statements. */
  cut(): Promise<void>
}

/**
 * Opens a session on a connection. Its nested sessions (`atomic`) are calls of one or more statements. They run one after
 * another in the order in which they were made, end with their own work, and are awaited as a whole.
 */
export function openScope(on: Statements, isCutOutside = () => false): Scope {
  const underWay = new Set<Promise<unknown>>()
  const calls = {}
  let previous: Promise<unknown> = Promise.resolve()
  let open = true
  let isCut = false
  const refuses = () => isCut || isCutOutside()

  function begin<T>(run: () => Promise<T>): Promise<T> {
    if (!open || refuses()) return Promise.reject(transactionEnded())
    const call = run()
    const done = () => void underWay.delete(call)
    underWay.add(call)
    call.then(done, done)
    return call
  }

  async function nested<T>(work: (session: Session) => Promise<T>): Promise<T> {
    if (refuses()) throw transactionEnded()
    const inner = openScope(on, refuses)
    try {
      const result = await work(inner.session)
      await inner.finish()
      return result
    }
    catch (error) {
      await inner.cut()
      throw error
    }
  }

  return {
    session: {
      inTransaction: true,
      query: statement => begin(() => on.query(statement)),
      queryLists: statement => begin(() => on.queryLists(statement)),
      raw: (text, values) => begin(() => on.raw(text, values)),
      script: text => begin(() => on.script(text)),
      atomic: <T>(work: (session: Session) => Promise<T>) => isInside(calls)
        ? Promise.reject(waitsForItself())
        : begin(() => {
            const run = () => runInside(calls, () => nested(work))
            const call = previous.then(run, run)
            previous = call
            return call
          }),
    },
    async finish() {
      open = false
      const outcomes = await Promise.allSettled(underWay)
      const failed = outcomes.find(({ status }) => status === 'rejected') as PromiseRejectedResult | undefined
      if (failed) throw failed.reason
    },
    async cut() {
      open = false
      isCut = true
      await Promise.allSettled(underWay)
    },
  }
}

function waitsForItself(): StoreError {
  return new StoreError('INVALID_CALL', 'a call on a transaction inside another call on it (in the onProgress of its appendMany(), or in query() of its client) would wait for itself: make it after that call has resolved')
}

export function transactionEnded(): StoreError {
  return new StoreError('INVALID_CALL', 'the transaction has ended, so this call was not carried out: await every call inside of it')
}
