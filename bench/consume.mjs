// (g) Consumers beside job queues: throughput, uneven handlers, delays, many subjects, a foreign snapshot.
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { measureDelays, measureSnapshot } from './lib/consume-delays.mjs'
import { measureGrowth } from './lib/consume-growth.mjs'
import { measureNoOps, measureUneven, measureWaiting } from './lib/consume-rates.mjs'
import { renderConsume } from './lib/consume-report.mjs'
import { CONTESTANTS, PACKAGES } from './lib/consume-team.mjs'
import { bundleStores, list, numbers, readFlags } from './lib/flags.mjs'
import { describeMachine } from './lib/machine.mjs'
import { CACHE } from './lib/paths.mjs'
import { report } from './lib/report.mjs'
import { startPostgres, startRedis, stopAll } from './lib/servers.mjs'

const PARTS = ['no-op', 'waiting', 'uneven', 'delays', 'growth', 'snapshot']

const flags = readFlags({
  only: { full: PARTS.join(), help: 'which parts' },
  keep: { full: '', help: 'a file with results of an earlier run, in .cache/, whose other parts are kept: a full run takes an hour' },
  peers: { full: Object.keys(CONTESTANTS).slice(1).join(), help: 'whom to compare with' },
  batches: { full: '100,1000', help: 'how many items a handler gets, or are read at once' },
  processes: { full: '1,2,4', quick: '1,2', help: 'how many worker processes, for handlers that do nothing' },
  subjects: { full: '10000,100000,1000000', quick: '1000,10000', help: 'how many subjects; the others are compared with the first' },
  minutes: { full: 10, quick: 0.25, help: 'how long the foreign snapshot is open, and as long without it' },
  server: { full: '15', help: 'which version of PostgreSQL' },
  rounds: { full: 7, quick: 3, help: 'rounds a case' },
  slice: { full: 1_000, quick: 300, help: 'milliseconds a contestant has to do in a round' },
})

async function measure() {
  const [source] = await bundleStores(flags)
  const servers = { postgres: await startPostgres(flags.server), redis: await startRedis() }
  const names = ['store', ...list(flags.peers)].filter(name => servers.redis || !CONTESTANTS[name].redis)
  const { rounds, slice } = flags
  const given = { servers, server: servers.postgres, source, rounds, slice }
  const parts = {
    'no-op': async () => ({ noOps: await measureNoOps(names, numbers(flags.batches), numbers(flags.processes), given) }),
    'waiting': async () => ({ waiting: await measureWaiting(names, given) }),
    'uneven': async () => ({ uneven: await measureUneven(names, given) }),
    'delays': async () => ({ delays: await measureDelays(names, given) }),
    'growth': async () => ({ growth: await measureGrowth(numbers(flags.subjects), given) }),
    'snapshot': async () => ({ snapshot: await measureSnapshot(flags.minutes, given) }),
  }
  const results = {
    ...flags.keep ? JSON.parse(await readFile(flags.keep, 'utf8')) : {},
    machine: describeMachine({ servers: Object.values(servers).filter(Boolean), stores: [source], packages: PACKAGES }), method: { rounds, slice },
  }
  for (const part of list(flags.only)) {
    Object.assign(results, await parts[part]())
    await mkdir(CACHE, { recursive: true })
    await writeFile(join(CACHE, 'consume.json'), `${JSON.stringify(results)}\n`)
  }
  return results
}

try {
  await report('consume', flags, measure, renderConsume)
}
finally {
  await stopAll()
}
process.exit()
