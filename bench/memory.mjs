// (d) The memory of a process that runs a load on the store for minutes.
import { bundleStores, readFlags } from './lib/flags.mjs'
import { describeMachine } from './lib/machine.mjs'
import { renderMemory } from './lib/memory-report.mjs'
import { startProcess } from './lib/processes.mjs'
import { report } from './lib/report.mjs'
import { createDatabase, startPostgres, stopAll } from './lib/servers.mjs'

const flags = readFlags({
  minutes: { full: 10, quick: 0.1, help: 'how long' },
  warm: { full: 30, quick: 2, help: 'seconds of load before the first sample' },
  callers: { full: 64, help: 'how many concurrent callers' },
  keys: { full: 10000, quick: 500, help: 'how many keys' },
  server: { full: '15', help: 'which version of PostgreSQL' },
})

async function measure() {
  const [source] = await bundleStores(flags)
  const server = await startPostgres(flags.server)
  const samples = []
  const process = startProcess(new URL('./lib/memory-worker.mjs', import.meta.url), {
    execArgv: ['--expose-gc'], onReport: sample => samples.push(sample),
  })
  const { callers, keys, warm, minutes } = flags
  await process.ask('open', { url: await createDatabase(server, 'ours'), source, keys })
  const heap = await process.ask('run', { callers, keys, warmMs: warm * 1000, ms: minutes * 60_000 })
  await process.close()
  return { machine: describeMachine({ servers: [server], stores: [source] }), method: { callers, keys, warm, minutes }, samples, heap }
}

try {
  await report('memory', flags, measure, renderMemory)
}
finally {
  await stopAll()
}
process.exit()
