// A CPU profile of a process: the self time of functions, and to which part of the program they belong.
import { Session } from 'node:inspector/promises'

const SAMPLE_US = 200
// Idle time, and the profiler itself, which first scans all compiled code.
const NOT_AT_WORK = new Set(['(idle)', 'dispatch'])

/** The part of the program that a function belongs to, by its name and file; the first match counts. */
const OWNERS = [
  ['collecting garbage', ({ functionName }) => functionName === '(garbage collector)'],
  ['writing to sockets', ({ functionName, url }) => url === '' && functionName.startsWith('write')],
  ['JSON', ({ functionName }) => functionName === 'parseJson' || functionName === 'stringifyJson'],
  ['pg', ({ url }) => /\/node_modules\/pg[-\w]*\//.test(url)],
  ['store or adapter', ({ url }) => /\/\.cache\/store-|\/node_modules\//.test(url)],
  ['callers', ({ url }) => /\/bench\/lib\//.test(url)],
  ['Node', () => true],
]
export const OWNER_NAMES = ['store or adapter', 'JSON', 'pg', 'writing to sockets', 'Node', 'collecting garbage', 'callers']

/** Wraps the functions of `JSON`: the time of built-in functions is otherwise attributed to their callers. */
export function nameJson() {
  const { parse, stringify } = JSON
  JSON.parse = function parseJson(...args) {
    return parse(...args)
  }
  JSON.stringify = function stringifyJson(...args) {
    return stringify(...args)
  }
}

/**
 * Profiles this process.
 * @param {() => Promise<unknown>} work
 * @returns {Promise<{ owners: Record<string, number>, functions: [name: string, share: number][] }>} shares of the
 *   time the process was busy
 */
export async function profiled(work) {
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.setSamplingInterval', { interval: SAMPLE_US })
  await session.post('Profiler.start')
  await work()
  const { profile } = await session.post('Profiler.stop')
  session.disconnect()
  return selfTimes(profile)
}

function selfTimes({ nodes, samples, timeDeltas }) {
  const frames = new Map(nodes.map(node => [node.id, node.callFrame]))
  const [owners, functions] = [new Map(), new Map()]
  let total = 0
  samples.forEach((id, at) => {
    const frame = frames.get(id)
    if (frame.url === '' && NOT_AT_WORK.has(frame.functionName)) return
    total += timeDeltas[at]
    add(owners, OWNERS.find(([, fits]) => fits(frame))[0], timeDeltas[at])
    add(functions, nameOf(frame), timeDeltas[at])
  })
  const shares = times => [...times].sort((a, b) => b[1] - a[1]).map(([name, time]) => [name, time / total])
  return { owners: Object.fromEntries(shares(owners)), functions: shares(functions) }
}

const add = (times, name, time) => times.set(name, (times.get(name) ?? 0) + time)

function nameOf({ functionName, url, lineNumber }) {
  const file = url.replace(/^.*\/node_modules\//, '').replace(/^.*\/\.cache\/store-\w+/, 'store').replace(/^file:.*\//, '')
  return `${functionName || '(anonymous)'}${file ? ` ${file}:${lineNumber + 1}` : ''}`
}
