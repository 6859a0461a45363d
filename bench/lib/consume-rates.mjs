import { median, runRounds } from './rounds.mjs'
import { CONTESTANTS, startTeam } from './consume-team.mjs'

/** Items of the first slice. */
const WARM_UP = 1_000
/** How much more the next slice of the warm-up gets. */
const STEP_UP = 4
/** As the last item of a slice may take 200 ms while nothing else is left. */
const LEAST_UNEVEN = 20_000
const MOST = 100_000
/** A slice is so many calls of each process at least. */
const LEAST_CALLS = 3
const HANDLERS = 10
const WINDOW = 256
const SCALING = [1, 2, 4]

/**
 * @typedef {{ label?: string, name: string, processes: number, work: import('./consume-store.mjs').Work, least?: number }} Candidate `least`:
 *   items of a slice
 * @typedef {{ name: string, processes: number, rates: number[], cpu: number, server: number, wal: number }} Rates items a
 *   second, round by round; CPU time in µs an item, and bytes of WAL an item
 */

/** @param {Candidate[]} candidates @returns {Promise<Rates[]>} */
async function compare(candidates, { rounds, slice, ...given }) {
  const teams = []
  for (const candidate of candidates) {
    const team = await startTeam(candidate, given)
    teams.push({ ...team, count: await warmUp(team, candidate, slice), wal: [] })
  }
  const results = await runRounds(teams, rounds, async (team) => {
    const { wal, ...slice } = await team.run(team.count)
    team.wal.push(wal / slice.calls)
    return slice
  })
  await Promise.all(teams.map(({ close }) => close()))
  return results.map(({ rates, cpu, server }, at) => {
    const { name, label = name, processes } = candidates[at]
    console.error(`${label}, ${processes} processes: ${Math.round(median(rates))} a second`)
    return { name: label, processes, rates, cpu, server, wal: median(teams[at].wal) }
  })
}

/** Slices that get longer, until their time tells how many items a slice has to have. */
async function warmUp(team, { processes, work: { batch }, least = LEAST_CALLS * batch * processes }, slice) {
  const step = batch * processes
  for (let count = Math.max(WARM_UP, least); ; count = Math.min(MOST, count * STEP_UP)) {
    const { calls, ms } = await team.run(count)
    if (ms >= slice / 2 || count === MOST) return Math.min(MOST, Math.max(least, Math.round(calls / ms * slice / step) * step))
  }
}

/** Handlers that do nothing: what the way there costs. */
export async function measureNoOps(names, batches, processes, given) {
  const cases = []
  for (const batch of batches) {
    for (const count of processes) {
      const candidates = names.map(name => ({ name, processes: CONTESTANTS[name].alone ? 1 : count, work: { batch } }))
      cases.push({ batch, processes: count, results: await compare(candidates, given) })
    }
  }
  return cases
}

/** Handlers that wait 1 ms, ten at a time in each process: what another process adds. */
export function measureWaiting(names, given) {
  const work = { batch: HANDLERS, each: true, transaction: 'none', concurrency: HANDLERS, wait: '1 ms' }
  const each = names.filter(name => !CONTESTANTS[name].each && !CONTESTANTS[name].alone)
  return compare(SCALING.flatMap(processes => each.map(name => ({ name, processes, work }))), given)
}

/** Handlers of which one in a hundred takes 200 ms: whether the others wait for it. */
export function measureUneven(names, given) {
  const work = { batch: WINDOW, transaction: 'none', wait: 'uneven' }
  const window = { ...work, each: true, concurrency: WINDOW }
  const peers = names.filter(name => ['graphile-worker', 'BullMQ'].includes(name)).map(name => ({ name, processes: 1, work: window, least: LEAST_UNEVEN }))
  return compare([
    { label: 'store', name: 'store', processes: 1, work: window, least: LEAST_UNEVEN },
    { label: 'store, batch by batch', name: 'store', processes: 1, work },
    ...peers,
  ], given)
}
