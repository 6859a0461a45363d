// Where the time of our process goes in one case: functions by the time spent in themselves.
import { Session } from 'node:inspector/promises'
import { openContestant } from './lib/contestants.mjs'
import { bundleStores, list, numbers, readFlags } from './lib/flags.mjs'
import { table, whole } from './lib/report.mjs'
import { createDatabase, startPostgres, stopAll } from './lib/servers.mjs'
import { operations } from './lib/workloads.mjs'

const flags = readFlags({
  operations: { full: 'append,update-flat,kv-get', help: `which operations: ${Object.keys(operations).join(', ')}` },
  callers: { full: '64', help: 'how many concurrent callers' },
  keys: { full: 500, help: 'how many keys' },
  server: { full: '15', help: 'which version of PostgreSQL' },
  seconds: { full: 5, quick: 1, help: 'how long a profile is taken' },
  top: { full: 20, help: 'how many functions' },
})

const IDLE = '(idle)'

/** Time of functions in themselves, as shares of the time the process was at work. */
function selfTimes({ nodes, samples, timeDeltas }) {
  const byId = new Map(nodes.map(node => [node.id, node.callFrame]))
  const times = new Map()
  let total = 0
  samples.forEach((id, at) => {
    const { functionName, url, lineNumber } = byId.get(id)
    const file = url.replace(/^.*\/node_modules\//, '').replace(/^.*\/\.cache\/store-\w+/, 'store').replace(/^file:.*\//, '')
    const name = `${functionName || '(anonymous)'}${file ? ` ${file}:${lineNumber + 1}` : ''}`
    times.set(name, (times.get(name) ?? 0) + timeDeltas[at])
    total += timeDeltas[at]
  })
  const idle = times.get(IDLE) ?? 0
  times.delete(IDLE)
  const functions = [...times].sort((a, b) => b[1] - a[1]).map(([name, time]) => [name, percent(time / (total - idle))])
  return { idle: percent(idle / total), functions }
}

const percent = share => `${(share * 100).toFixed(1)} %`

try {
  const [source] = await bundleStores(flags)
  const server = await startPostgres(flags.server)
  const contestant = await openContestant({ kind: 'ours', url: await createDatabase(server, 'profile'), source })
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.setSamplingInterval', { interval: 200 })
  for (const operation of list(flags.operations)) {
    for (const callers of numbers(flags.callers)) {
      const given = { operation, callers, keys: flags.keys }
      await contestant.prepare(given)
      await contestant.warm(given, 1000)
      await session.post('Profiler.start')
      const { calls, ms, cpu } = await contestant.run(given, flags.seconds * 1000)
      const { profile } = await session.post('Profiler.stop')
      const { idle, functions } = selfTimes(profile)
      console.log(`\n${operations[operation].label}, ${callers} callers: ${whole(calls / ms * 1000)} calls a second, ${(cpu / calls).toFixed(1)} µs of processor time a call, idle ${idle}`)
      console.log(`\n${table(['function', 'self time'], functions.slice(0, flags.top))}`)
    }
  }
  await contestant.close()
}
finally {
  await stopAll()
}
process.exit()
