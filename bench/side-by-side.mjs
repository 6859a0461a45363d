// (a) The store compared with both peers and with the same statements sent without it, in interleaved rounds.
import { bundleStores, list, numbers, readFlags } from './lib/flags.mjs'
import { describeMachine } from './lib/machine.mjs'
import { startContestant } from './lib/processes.mjs'
import { report } from './lib/report.mjs'
import { runRounds } from './lib/rounds.mjs'
import { createDatabase, startPostgres, startRedis, stopAll } from './lib/servers.mjs'
import { renderSideBySide } from './lib/side-by-side-report.mjs'
import { operations } from './lib/workloads.mjs'

const flags = readFlags({
  operations: { full: Object.keys(operations).join(','), help: 'which operations' },
  callers: { full: '1,64,512', quick: '1,64', help: 'how many concurrent callers' },
  keys: { full: '500,100000', quick: '500', help: 'how many keys' },
  servers: { full: '15,18', quick: '15', help: 'which versions of PostgreSQL' },
  contestants: { full: 'ours,raw,peer,redis', help: 'which contestants' },
  rounds: { full: 9, quick: 3, help: 'rounds a case' },
  slice: { full: 400, quick: 150, help: 'milliseconds a contestant runs in a round' },
  warm: { full: 1000, quick: 300, help: 'milliseconds each contestant warms up before a case' },
})

/** A process and a database per contestant, in the given order: the last one filled has its data in memory. */
async function openContestants(server, major, stores) {
  const kinds = {
    ours: stores.map((source, at) => ({ id: `ours${at ? at + 1 : ''}`, source, label: stores.length > 1 ? `ours (${source.label})` : 'ours' })),
    raw: [{ id: 'raw', source: stores[0], label: 'by hand' }],
    peer: [{ id: 'peer', label: 'peer' }],
  }
  const contestants = []
  for (const kind of list(flags.contestants)) {
    for (const { id, source, label } of kinds[kind] ?? []) {
      const url = await createDatabase(server, `${id}_${major}`)
      contestants.push({ id: `${id}@${major}`, kind, server: server.name, label, source, process: await startContestant({ kind, url, source }) })
    }
  }
  return contestants
}

async function openRedis() {
  if (!list(flags.contestants).includes('redis')) return undefined
  const server = await startRedis()
  if (!server) console.error('redis-server is not installed: there will be no Redis column')
  return server && { id: 'redis', kind: 'redis', server, label: 'redis', process: await startContestant({ kind: 'redis', url: server.url }) }
}

function casesOf() {
  const cases = []
  for (const keys of numbers(flags.keys)) {
    for (const operation of list(flags.operations)) {
      if (!operations[operation]) throw new Error(`there is no operation ${operation}: ${Object.keys(operations).join(', ')}`)
      // One hot entry is one hot entry however many keys the others have.
      if (operations[operation].single && cases.some(each => each.operation === operation)) continue
      for (const callers of numbers(flags.callers)) {
        cases.push({ operation, callers, keys: operations[operation].single ? 1 : keys })
      }
    }
  }
  return cases
}

async function runCase(contestants, given) {
  const warmed = []
  for (const { process } of contestants) {
    await process.ask('prepare', given)
    warmed.push(await process.ask('warm', given, flags.warm))
  }
  const results = await runRounds(contestants, flags.rounds, ({ process }) => process.ask('run', given, flags.slice))
  const byId = results.map(({ rates, ...others }, at) => [contestants[at].id, {
    rates: rates.map(rate => Math.round(rate * 10) / 10), ...others, callsPerStatement: warmed[at].callsPerStatement, parallel: warmed[at].parallel,
  }])
  return { ...given, results: Object.fromEntries(byId) }
}

/** One server after the other: the data of both would not fit in memory, and all contestants would wait for the disk. */
async function measureOn(major, stores, redis) {
  const server = await startPostgres(major)
  const own = await openContestants(server, major, stores)
  const contestants = [...own, ...redis ? [redis] : []]
  const [given, cases] = [casesOf(), []]
  for (const [at, each] of given.entries()) {
    const start = performance.now()
    cases.push({ server: server.name, ...await runCase(contestants, each) })
    console.error(`${server.name}, ${at + 1}/${given.length} ${each.operation}, ${each.keys} keys, ${each.callers} callers: ${Math.round((performance.now() - start) / 1000)} s`)
  }
  await Promise.all(own.map(({ process }) => process.close()))
  await server.stop()
  return { server, contestants: own, cases }
}

async function measure() {
  const stores = await bundleStores(flags)
  const redis = await openRedis()
  const passes = []
  for (const major of list(flags.servers)) passes.push(await measureOn(major, stores, redis))
  await redis?.process.close()
  const contestants = [...passes.flatMap(pass => pass.contestants), ...redis ? [{ ...redis, server: redis.server.name }] : []]
  return {
    machine: describeMachine({ servers: [...passes.map(({ server }) => server), ...redis ? [redis.server] : []], stores, peers: true }),
    method: { rounds: flags.rounds, slice: flags.slice },
    contestants: contestants.map(({ id, kind, server, label }) => ({ id, kind, server, label })),
    cases: passes.flatMap(pass => pass.cases),
  }
}

try {
  await report('side-by-side', flags, measure, renderSideBySide)
}
finally {
  await stopAll()
}
process.exit()
