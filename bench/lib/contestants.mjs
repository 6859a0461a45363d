import { fillEvents } from './fill.mjs'
import { randomSource, runAll, runCallers } from './load.mjs'
import { settle } from './multiply.mjs'
import { openPeer, POOL_SIZE } from './peers.mjs'
import { openStore } from './store.mjs'
import { createPlayer, record } from './tape.mjs'
import { operations } from './workloads.mjs'

const FILLERS = 256
const WARM_CALLS = 10_000
const MOST_WARM_UPS = 4

/**
 * Somebody who is measured, in a process of its own.
 * @typedef {{ kind: 'ours' | 'raw' | 'peer' | 'redis', url: string, source?: import('./store.mjs').StoreSource }} Description
 * @typedef {{ operation: string, keys: number, callers: number }} Case
 */

/** @param {Description} description */
export async function openContestant(description) {
  const { kind, url, source } = description
  const api = source
    // What a store does by itself is not of the calls: a transaction of its own must not come onto the tape.
    ? await openStore(source, url, { poolSize: POOL_SIZE, ...kind === 'raw' && { sweepInterval: 0 } })
    : await openPeer(kind === 'redis' ? 'redis' : 'postgres', url)
  const contestant = kind === 'raw' ? await rawStatements(api, url) : publicApi(api)
  const filled = new Map()

  return {
    ...contestant,
    /** Makes what an operation needs, once, and looks whether a call does what it has to do. */
    async prepare({ operation, keys }) {
      const { needs } = operations[operation]
      const already = filled.get(needs?.name) ?? 0
      if (needs && already < keys) {
        if (needs.fill) await runAll(keys, FILLERS, i => needs.fill(api, scattered(i, keys)))
        else await fillEvents[kind === 'raw' ? 'ours' : kind]({ url, api }, already, keys)
        filled.set(needs.name, keys)
        if (kind !== 'redis') await settle(url)
      }
      await verify(api, operation, keys)
    },
    close: async () => {
      await contestant.close?.()
      await api.close()
    },
  }
}

/** All calls through the public API. */
function publicApi(api) {
  return {
    warm: (given, ms) => warmUp(callOf(api, given), given.callers, ms),
    run: (given, ms) => runCallers(callOf(api, given), given.callers, ms),
  }
}

/** The ceiling: statements our store sends for a case, sent again by hand. */
async function rawStatements(store, url) {
  const player = await createPlayer(url)
  return {
    async warm(given, ms) {
      const call = callOf(store, given)
      await warmUp(call, given.callers, ms)
      const tape = await record(() => runCallers(call, given.callers, ms))
      await player.load(tape)
      await player.play(ms)
      return { callsPerStatement: tape.calls / tape.statements.length, parallel: tape.parallel }
    },
    run: (_, ms) => player.play(ms),
    close: player.close,
  }
}

/** For a time, and then until the engine has compiled what a call runs through: one caller makes few calls meanwhile. */
async function warmUp(call, callers, ms) {
  const end = performance.now() + MOST_WARM_UPS * ms
  let [done, slice] = [0]
  do {
    slice = await runCallers(call, callers, ms)
    done += slice.calls
  } while (done < WARM_CALLS && performance.now() < end)
  return slice
}

const sources = new Map()
let calls = 0

function callOf(api, { operation, keys, callers }) {
  const { call } = operations[operation]
  // One sequence a case: every slice goes on where the one before ended.
  const name = `${operation} ${keys} ${callers}`
  if (!sources.has(name)) sources.set(name, randomSource(42))
  const random = sources.get(name)
  return () => call(api, random(keys), calls++)
}

async function verify(api, operation, keys) {
  const { call, check } = operations[operation]
  const result = await call(api, keys - 1, keys - 1)
  if (check && !check(result)) throw new Error(`${operation} gave ${JSON.stringify(result)}`)
}

/** Not in order of key: entries of one flow come to lie among those of others, as they do in life. */
const scattered = (i, keys) => (i * 7919) % keys
