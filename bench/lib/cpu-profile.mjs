// Where the time of a process goes while it works: functions by the time spent in themselves, and whose they are.
import { Session } from 'node:inspector/promises'

const SAMPLE_US = 200
// Nothing to do, and the profiler itself, which first has a look at all compiled code.
const NOT_AT_WORK = new Set(['(idle)', 'dispatch'])

/** Whose code a function is, by its name and the file it is in; the first that fits. */
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

/** Gives `JSON` names of its own: what is built into the engine counts as the time of whoever calls it. */
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
 *   time the process was at work
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
