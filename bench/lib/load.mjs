/** Random numbers that are the same for everybody (mulberry32). */
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
 * Runs `callers` loops that each wait for their own call before the next one, for a time.
 * @param {(caller: number) => Promise<any>} call
 * @returns {Promise<Slice>} what they got done
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
 * What a slice gave: `refused` counts the results that are false, `cpu` is this process's processor time in µs.
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
