import pg from 'pg'

/**
 * Calls back for each statement that enters the client of `pg` while `work` runs, so that it does not depend on how the
 * store uses its connections.
 * @template T
 * @param {(config: any, others: any[], client: pg.Client) => () => void} onStatement what it returns is called when the
 *   statement has ended
 * @param {() => Promise<T>} work
 */
export async function intercept(onStatement, work) {
  const original = pg.Client.prototype.query
  pg.Client.prototype.query = function (config, ...others) {
    const done = onStatement(config, others, this)
    const callback = others.findIndex(each => typeof each === 'function')
    if (callback >= 0) {
      const answer = others[callback]
      others[callback] = (...result) => {
        done()
        answer(...result)
      }
      return original.call(this, config, ...others)
    }
    const result = original.call(this, config, ...others)
    result?.then?.(done, done)
    return result
  }
  try {
    return await work()
  }
  finally {
    pg.Client.prototype.query = original
  }
}
