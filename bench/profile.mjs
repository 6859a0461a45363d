// Where the time of a call is spent, in this process and in the server, compared with the time budget of the goal.
import { availableParallelism } from 'node:os'
import { bundleStores, list, numbers, readFlags } from './lib/flags.mjs'
import { describeMachine } from './lib/machine.mjs'
import { startContestant } from './lib/processes.mjs'
import { renderProfile } from './lib/profile-report.mjs'
import { report } from './lib/report.mjs'
import { runRounds } from './lib/rounds.mjs'
import { withServerTime } from './lib/server-time.mjs'
import { createDatabase, startPostgres, startRedis, stopAll } from './lib/servers.mjs'
import { operations } from './lib/workloads.mjs'

const flags = readFlags({
  operations: { full: Object.keys(operations).join(','), help: 'which operations' },
  callers: { full: '64,1', help: 'how many concurrent callers' },
  keys: { full: 500, help: 'how many keys' },
  server: { full: '15', help: 'which version of PostgreSQL' },
  rounds: { full: 5, quick: 1, help: 'rounds a case' },
  slice: { full: 400, quick: 200, help: 'milliseconds each contestant runs in a round' },
  warm: { full: 600, quick: 300, help: 'milliseconds each contestant warms up before a case' },
  seconds: { full: 1.5, quick: 0.5, help: 'how long a profile is taken' },
})

/** The contestants. The difference between `ours` and `relaxed` is the time that a commit waits for the disk. */
async function openContestants(server, redis) {
  const [source] = await bundleStores(flags)
  const wanted = [
    { id: 'ours', kind: 'ours', server, source, profiled: true },
    { id: 'relaxed', kind: 'ours', server, source: { ...source, options: { ...source.options, durability: 'relaxed' } } },
    { id: 'peer', kind: 'peer', server, profiled: true },
    ...redis ? [{ id: 'redis', kind: 'redis', server: redis }] : [],
  ]
  const contestants = []
  for (const each of wanted) {
    const url = each.kind === 'redis' ? each.server.url : await createDatabase(each.server, each.id)
    const { kind, source, profiled } = each
    contestants.push({ ...each, process: await startContestant({ kind, source, profiled, url }) })
  }
  return { contestants, source }
}

async function runCase(contestants, given) {
  for (const { process } of contestants) {
    await process.ask('prepare', given)
    await process.ask('warm', given, flags.warm)
  }
  const results = await runRounds(contestants, flags.rounds, ({ process, server }) =>
    withServerTime(server, () => process.ask('run', given, flags.slice)))
  const byId = {}
  for (const [at, { id, profiled, process }] of contestants.entries()) {
    byId[id] = { ...results[at], ...profiled && await process.ask('profile', given, flags.seconds * 1000) }
  }
  return { ...given, results: byId }
}

async function measure() {
  const server = await startPostgres(flags.server)
  const redis = await startRedis()
  const { contestants, source } = await openContestants(server, redis)
  const cases = []
  for (const callers of numbers(flags.callers)) {
    for (const operation of list(flags.operations)) {
      const keys = operations[operation].single ? 1 : flags.keys
      cases.push(await runCase(contestants, { operation, callers, keys }))
      console.error(`${operation}, ${callers} callers`)
    }
  }
  await Promise.all(contestants.map(({ process }) => process.close()))
  return {
    machine: describeMachine({ servers: [server, ...redis ? [redis] : []], stores: [source], peers: true }),
    method: { rounds: flags.rounds, slice: flags.slice, keys: flags.keys, cores: availableParallelism() },
    cases,
  }
}

try {
  await report('profile', flags, measure, renderProfile)
}
finally {
  await stopAll()
}
process.exit()
