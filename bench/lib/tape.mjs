import pg from 'pg'
import { startSlice } from './load.mjs'
import { KEY_PATTERN } from './workloads.mjs'

/**
 * What a store has sent: its statements with their values, which keys each of them touches, how many calls they
 * stand for, and how many of them were under way at once.
 * @typedef {{ statements: { config: object, keys: string[] }[], calls: number, parallel: number, pipeline: boolean }} Tape
 */

const MAX_STATEMENTS = 20_000

/**
 * Records the statements a store sends while `work` runs. They are caught where every one of them has to pass,
 * in the client of `pg`, so that it does not matter how the store uses its connections.
 * @param {() => Promise<{ calls: number }>} work
 * @returns {Promise<Tape>} what was sent meanwhile
 */
export async function record(work) {
  const original = pg.Client.prototype.query
  const configs = []
  let [underWay, sum, seen, pipeline] = [0, 0, 0, false]
  pg.Client.prototype.query = function (config, ...others) {
    underWay++
    sum += underWay
    seen++
    pipeline ||= Boolean(this.pipeline)
    if (configs.length < MAX_STATEMENTS) configs.push(textual(config, others))
    const done = () => {
      underWay--
    }
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
    const { calls } = await work()
    return {
      statements: configs.map(config => ({ config, keys: keysOf(config) })),
      calls: calls * configs.length / seen,
      parallel: Math.max(1, Math.round(sum / seen)),
      pipeline,
    }
  }
  finally {
    pg.Client.prototype.query = original
  }
}

function textual(config, [values]) {
  return typeof config === 'string' ? { text: config, values: Array.isArray(values) ? values : [] } : { ...config }
}

const keysOf = ({ values = [] }) => [...new Set(JSON.stringify(values).match(KEY_PATTERN) ?? [])]

/** Among how many statements a player looks for one that does not touch what is under way. */
const LOOK_AHEAD = 64

/**
 * Sends a tape again and again, by hand, as many statements at a time as the store did and each on a client of its
 * own. Statements that touch the same keys never go out together: the store keeps them apart, too, and waiting
 * for each other's locks they would be a ceiling that is too low.
 */
export async function createPlayer(url) {
  const clients = []
  const busy = new Set()
  /** @type {Tape} */
  let tape
  let [queue, at, waiting] = [[], 0, []]

  async function load(newTape) {
    tape = newTape
    ;[queue, at] = [[], 0]
    while (clients.length < tape.parallel) {
      const client = new pg.Client({ connectionString: url, pipeline: tape.pipeline })
      await client.connect()
      clients.push(client)
    }
  }

  async function next() {
    while (queue.length < LOOK_AHEAD) queue.push(tape.statements[at++ % tape.statements.length])
    for (;;) {
      const free = queue.findIndex(({ keys }) => keys.every(key => !busy.has(key)))
      if (free >= 0) {
        const [statement] = queue.splice(free, 1)
        statement.keys.forEach(key => busy.add(key))
        return statement
      }
      // All there is touches what is under way: whoever ends next makes room.
      await new Promise(resolve => waiting.push(resolve))
    }
  }

  async function send(client, { config, keys }) {
    await client.query(config)
    keys.forEach(key => busy.delete(key))
    waiting.splice(0).forEach(resume => resume())
  }

  return {
    load,
    /** Plays for a time; `calls` are those the statements stand for. */
    async play(ms) {
      const end = startSlice()
      const deadline = performance.now() + ms
      let played = 0
      const loop = async (client) => {
        do {
          await send(client, await next())
          played++
        } while (performance.now() < deadline)
      }
      await Promise.all(clients.slice(0, tape.parallel).map(loop))
      return end(played * tape.calls / tape.statements.length)
    },
    close: () => Promise.all(clients.map(client => client.end())),
  }
}
