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
 * @returns {Promise<{ calls: number, ms: number, refused: number }>} `refused` counts the results that are false
 */
export async function runCallers(call, callers, ms) {
  const start = performance.now()
  const deadline = start + ms
  let [calls, refused] = [0, 0]
  const loop = async (caller) => {
    do {
      if (await call(caller) === false) refused++
      calls++
    } while (performance.now() < deadline)
  }
  await Promise.all(Array.from({ length: callers }, (_, caller) => loop(caller)))
  return { calls, ms: performance.now() - start, refused }
}

/** Makes `count` calls, at most `parallel` at a time. */
export async function runAll(count, parallel, call) {
  let next = 0
  const loop = async () => {
    while (next < count) await call(next++)
  }
  await Promise.all(Array.from({ length: Math.min(parallel, count) }, loop))
}
