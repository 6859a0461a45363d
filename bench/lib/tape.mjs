import pg from 'pg'
import { intercept } from './intercept.mjs'
import { startSlice } from './load.mjs'
import { KEY_PATTERN } from './workloads.mjs'

/**
 * A recording of a store: its statements with their values and the keys that each of them touches, the number of calls
 * they were sent for, and the average number of concurrent statements.
 * @typedef {{ statements: { config: object, keys: string[] }[], calls: number, parallel: number, pipeline: boolean }} Tape
 */

const MAX_STATEMENTS = 20_000

/**
 * Records the statements that a store sends while `work` runs.
 * @param {() => Promise<{ calls: number }>} work
 * @returns {Promise<Tape>} the recorded statements
 */
export async function record(work) {
  const configs = []
  let [underWay, sum, seen, pipeline] = [0, 0, 0, false]
  const { calls } = await intercept((config, others, client) => {
    underWay++
    sum += underWay
    seen++
    pipeline ||= Boolean(client.pipeline)
    if (configs.length < MAX_STATEMENTS) configs.push(textual(config, others))
    return () => underWay--
  }, work)
  return {
    statements: configs.map(config => ({ config, keys: keysOf(config) })),
    calls: calls * configs.length / seen,
    parallel: Math.max(1, Math.round(sum / seen)),
    pipeline,
  }
}

function textual(config, [values]) {
  return typeof config === 'string' ? { text: config, values: Array.isArray(values) ? values : [] } : { ...config }
}

const keysOf = ({ values = [] }) => [...new Set(JSON.stringify(values).match(KEY_PATTERN) ?? [])]

/** The number of statements among which a player looks for one without keys of statements in progress. */
const LOOK_AHEAD = 64

/**
 * Sends the statements of a tape repeatedly, with the concurrency of the store and one client per concurrent statement.
 * Statements that touch the same keys are never sent concurrently: the store does not either, and they would wait for
 * each other's locks, so that the ceiling would be too low.
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
      // All touch keys of statements in progress: wait for the next one to end.
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
    /** Plays the tape for a time; `calls` of the result counts the calls that the statements were recorded for. */
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
