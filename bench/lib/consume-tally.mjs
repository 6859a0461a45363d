import { setTimeout as sleep } from 'node:timers/promises'

/** Milliseconds by a clock that all processes of a machine share. */
export const clock = () => performance.timeOrigin + performance.now()

/** How long a handler waits, by item. */
const WAITS = {
  'no-op': undefined,
  '1 ms': () => 1,
  'uneven': n => n % 100 === 0 ? 200 : 0,
}

/**
 * The handler of all contestants, which counts its items.
 * @param {{ wait?: keyof typeof WAITS, timed?: boolean }} work with the time of each item when `timed`
 */
export function createTally({ wait = 'no-op', timed = false }) {
  const waitOf = WAITS[wait]
  let [handled, first, last, times] = [0, undefined, 0, []]
  let usage = process.cpuUsage()

  /** The end of the first call begins the measurement: what is before it is the start of a worker. */
  function note(numbers) {
    handled += numbers.length
    last = clock()
    first ??= { at: last, items: numbers.length }
    if (timed) for (const n of numbers) times.push([n, last])
  }

  async function waitFor(numbers) {
    await Promise.all(numbers.map(waitOf).filter(Boolean).map(ms => sleep(ms)))
    note(numbers)
  }

  return {
    handle: numbers => waitOf ? waitFor(numbers) : note(numbers),
    handled: () => handled,
    /** What was counted since the last call. */
    take() {
      const { user, system } = process.cpuUsage(usage)
      const taken = { handled, first, last, times, cpu: user + system }
      ;[handled, first, last, times] = [0, undefined, 0, []]
      return taken
    },
    begin() {
      usage = process.cpuUsage()
    },
  }
}
