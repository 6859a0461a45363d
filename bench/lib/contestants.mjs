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
 * A measured candidate, which runs in its own process.
 * @typedef {{ kind: 'ours' | 'raw' | 'peer' | 'redis', url: string, source?: import('./store.mjs').StoreSource }} Description
 * @typedef {{ operation: string, keys: number, callers: number }} Case
 */

/** @param {Description} description */
export async function openContestant(description) {
  const { kind, url, source } = description
  const api = source
    // Without background work: its transactions must not be recorded together with those of the calls.
    ? await openStore(source, url, { poolSize: POOL_SIZE, ...kind === 'raw' && { sweepInterval: 0 } })
    : await openPeer(kind === 'redis' ? 'redis' : 'postgres', url)
  const contestant = kind === 'raw' ? await rawStatements(api, url) : publicApi(api)
  const filled = new Map()

  return {
    ...contestant,
    /** Creates the data that an operation needs, once, and checks the result of one call. */
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

/** Makes all calls through the public API. */
function publicApi(api) {
  return {
    warm: (given, ms) => warmUp(callOf(api, given), given.callers, ms),
    run: (given, ms) => runCallers(callOf(api, given), given.callers, ms),
  }
}

/** The ceiling: the statements that the store sends for a case, sent again without the store. */
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

/** Warms up for a time, then until enough calls were made for the engine to compile their code: one caller makes few. */
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
  // One sequence per case: each slice continues where the previous one ended.
  const name = `${operation} ${keys} ${callers}`
  if (!sources.has(name)) sources.set(name, randomSource(42))
  const random = sources.get(name)
  return () => call(api, random(keys), calls++)
}

async function verify(api, operation, keys) {
  const { call, check } = operations[operation]
  const result = await call(api, keys - 1, keys - 1)
  if (check && !check(result)) throw new Error(`${operation} returned an unexpected result: ${JSON.stringify(result)}`)
}

/** In random order: rows of one flow are stored between those of other flows, as in production. */
const scattered = (i, keys) => (i * 7919) % keys
