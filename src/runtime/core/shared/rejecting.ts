/**
 * A call whose checks throw, as one that rejects. An `async` function does the same, but adopts the promise it
 * returns at the price of several turns: measurable where calls are cheap.
 */
export function rejecting<A extends unknown[], R>(call: (...args: A) => Promise<R>): (...args: A) => Promise<R> {
  return (...args) => {
    try {
      return call(...args)
    }
    catch (error) {
      return Promise.reject(error as Error)
    }
  }
}
