/**
 * Runs a short slice of every contestant per round, in rotating order, so that other load on the machine affects all.
 * @template T
 * @param {T[]} contestants
 * @param {number} rounds
 * @param {(contestant: T) => Promise<import('./load.mjs').Slice>} run
 * @returns {Promise<{ rates: number[], refused: number, cpu: number, server?: number }[]>} calls a second, round by
 *   round; share of refused calls; CPU time of the client, and of the server where it was measured, in µs a call
 */
export async function runRounds(contestants, rounds, run) {
  const results = contestants.map(() => ({ rates: [], calls: 0, refused: 0, cpu: 0, server: 0 }))
  for (let round = 0; round < rounds; round++) {
    for (let offset = 0; offset < contestants.length; offset++) {
      const at = (round + offset) % contestants.length
      const { calls, ms, refused, cpu, server } = await run(contestants[at])
      results[at].rates.push(calls / ms * 1000)
      results[at].calls += calls
      results[at].refused += refused
      results[at].cpu += cpu
      results[at].server += server
    }
  }
  return results.map(({ rates, calls, refused, cpu, server }) => ({
    rates, refused: refused / calls, cpu: cpu / calls, ...Number.isFinite(server) && { server: server / calls },
  }))
}

export function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** The median over the rounds of `rates` as a multiple of `others`. */
export const ratio = (rates, others) => median(rates.map((rate, round) => rate / others[round]))
