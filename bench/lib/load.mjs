/** A seeded random number generator (mulberry32), so that all contestants get the same numbers. */
export function randomSource(seed) {
  let state = seed
  return (below) => {
    state = (state + 0x6D2B79F5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

/**
 * Runs `callers` concurrent loops for a time; each awaits its call before it makes the next one.
 * @param {(caller: number) => Promise<any>} call
 * @returns {Promise<Slice>} their counts and times
 */
export async function runCallers(call, callers, ms) {
  const end = startSlice()
  const deadline = performance.now() + ms
  let [calls, refused] = [0, 0]
  const loop = async (caller) => {
    do {
      if (await call(caller) === false) refused++
      calls++
    } while (performance.now() < deadline)
  }
  await Promise.all(Array.from({ length: callers }, (_, caller) => loop(caller)))
  return end(calls, refused)
}

/**
 * The result of a slice: `refused` counts the results that are false, `cpu` is the CPU time of this process in µs.
 * @typedef {{ calls: number, refused: number, ms: number, cpu: number }} Slice
 */

export function startSlice() {
  const start = performance.now()
  const usage = process.cpuUsage()
  return (calls, refused = 0) => {
    const { user, system } = process.cpuUsage(usage)
    return { calls, refused, ms: performance.now() - start, cpu: user + system }
  }
}

/** Makes `count` calls, at most `parallel` at a time. */
export async function runAll(count, parallel, call) {
  let next = 0
  const loop = async () => {
    while (next < count) await call(next++)
  }
  await Promise.all(Array.from({ length: Math.min(parallel, count) }, loop))
}
