// The CPU time of a server, from the counters of Linux for its processes.
import { readFile, readdir } from 'node:fs/promises'

// Linux counts in hundredths of a second, independent of its timer frequency.
const TICK_US = 10_000

/**
 * The CPU time that a server and all its processes have used so far.
 * @param {number} pid of the process that started the others
 * @returns {Promise<number>} in µs; NaN where there is no /proc
 */
export async function serverTime(pid) {
  const processes = (await Promise.all((await numbersIn('/proc')).map(times))).filter(Boolean)
  const server = processes.find(each => each.pid === pid)
  if (!server) return Number.NaN
  // The time of an ended process is added to its parent.
  return [server, ...processes.filter(({ parent }) => parent === pid)].reduce((sum, { own, ended }) => sum + own + ended, 0) * TICK_US
}

/** Runs a slice and adds the CPU time that the server used meanwhile. */
export async function withServerTime({ pid }, run) {
  const before = await serverTime(pid)
  const slice = await run()
  return { ...slice, server: await serverTime(pid) - before }
}

async function numbersIn(directory) {
  return (await readdir(directory).catch(() => [])).filter(name => /^\d+$/.test(name)).map(Number)
}

/** The fields of proc(5) after the process name, which is in parentheses and may contain any character. */
async function times(pid) {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  if (!text) return undefined
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const sum = (from, to) => fields.slice(from, to).reduce((total, field) => total + Number(field), 0)
  return { pid, parent: Number(fields[1]), own: sum(11, 13), ended: sum(13, 15) }
}
