import { milliseconds, times, whole } from './report.mjs'
import { ratio } from './rounds.mjs'
import { GROWTH_LIMIT } from './goals.mjs'

/** Least multiples of the rate of a peer, by batch and processes. */
const PEERS = {
  '100, 1': { 'pg-boss': 4, 'graphile-worker': 1.8, 'BullMQ': 4, 'emmett': 20 },
  '1000, 1': { 'pg-boss': 8, 'graphile-worker': 5 },
  '1000, 2': { 'pg-boss': 8, 'graphile-worker': 5 },
}
/** Least multiples of the rate of one process. */
const SCALING = { 2: 1.7, 4: 2.4 }
const UNEVEN = 3
/** Most processor time of the server in µs an event, by batch, and bytes of WAL. */
const SERVER = { 100: 7, 1000: 3 }
const WAL = { 1000: 10 }
const DELAY = { peer: 1.5, more: 0.3, p99: 6 }
const SNAPSHOT = { rate: 0.95, p99: 25, grown: 10 * 2 ** 20 }

/** @typedef {{ what: string, is: string, asked: string, met: boolean }} Goal */

const atLeast = (what, is, asked) => ({ what, is: times(is), asked: `at least ${times(asked)}`, met: is >= asked })
const atMost = (what, is, asked, print) => ({ what, is: print(is), asked: `at most ${print(asked)}`, met: is <= asked })
const microseconds = us => `${Number(us.toPrecision(2))} µs`
const bytes = n => `${whole(n)} B`

/** @returns {Goal[]} only those of the parts that were measured */
export function goalsOf({ noOps = [], waiting, uneven, delays, snapshot, growth }) {
  return [
    ...noOps.flatMap(throughputGoals),
    ...waiting ? scalingGoals(waiting) : [],
    ...uneven ? [atLeast('uneven handlers, beside batch by batch', ratio(uneven[0].rates, uneven[1].rates), UNEVEN)] : [],
    ...delays ? delayGoals(delays) : [],
    ...growth ? growthGoals(growth) : [],
    ...snapshot ? snapshotGoals(snapshot) : [],
  ]
}

function throughputGoals({ batch, processes, results }) {
  const [store] = results
  const what = `batch of ${whole(batch)}, ${processes} process${processes > 1 ? 'es' : ''}`
  const goals = results.flatMap(({ name, rates }) => {
    const asked = PEERS[`${batch}, ${processes}`]?.[name]
    return asked ? [atLeast(`${what}, beside ${name}`, ratio(store.rates, rates), asked)] : []
  })
  if (processes > 1) return goals
  if (SERVER[batch]) goals.push(atMost(`${what}, the server's time an event`, store.server, SERVER[batch], microseconds))
  if (WAL[batch]) goals.push(atMost(`${what}, WAL an event`, store.wal, WAL[batch], bytes))
  return goals
}

function scalingGoals(results) {
  const of = count => results.find(({ name, processes }) => name === 'store' && processes === count)
  return Object.entries(SCALING).map(([count, asked]) =>
    atLeast(`handlers of 1 ms, ${count} processes beside 1`, ratio(of(Number(count)).rates, of(1).rates), asked))
}

function delayGoals(delays) {
  const of = wanted => delays.find(({ name }) => name === wanted)
  const peer = of('graphile-worker')
  return [
    ...peer ? [atMost('commit to handler, median', of('store').p50, peer.p50 * DELAY.peer + DELAY.more, milliseconds)] : [],
    atMost('commit to handler, 99 %', of('store').p99, DELAY.p99, milliseconds),
  ]
}

function growthGoals([first, ...others]) {
  return others.flatMap(size => ['claim', 'page', 'checkpoint'].map(kind =>
    atMost(`${kind} with ${whole(size.subjects)} subjects, beside ${whole(first.subjects)}`, size[kind] / first[kind], GROWTH_LIMIT, times)))
}

function snapshotGoals({ results: [without, open] }) {
  return [
    atLeast('foreign snapshot, rate beside that without', open.rate / without.rate, SNAPSHOT.rate),
    atMost('foreign snapshot, 99 %', open.p99, SNAPSHOT.p99, milliseconds),
    atMost('foreign snapshot, growth of the tables', open.grown, SNAPSHOT.grown, bytes),
  ]
}
