// (b) The same calls on small and large amounts of data: whose time grows, and whose does not.
import { bundleStores, list, numbers, readFlags } from './lib/flags.mjs'
import { fillEntries, fillEvents } from './lib/growth-data.mjs'
import { operations } from './lib/growth-operations.mjs'
import { renderGrowth } from './lib/growth-report.mjs'
import { randomSource, runCallers } from './lib/load.mjs'
import { describeMachine } from './lib/machine.mjs'
import { report } from './lib/report.mjs'
import { runRounds } from './lib/rounds.mjs'
import { createDatabase, startPostgres, stopAll } from './lib/servers.mjs'
import { openStore } from './lib/store.mjs'

const flags = readFlags({
  events: { full: '10000,1000000,10000000', quick: '10000,100000', help: 'how many events; the others are compared with the first' },
  entries: { full: '10000,1000000', quick: '10000,50000', help: 'how many entries of each index, and keys' },
  only: { full: '', help: 'only operations whose name contains this' },
  callers: { full: '1,64', quick: '1', help: 'how many concurrent callers' },
  server: { full: '15', help: 'which version of PostgreSQL' },
  rounds: { full: 9, quick: 3, help: 'rounds a case' },
  slice: { full: 300, quick: 100, help: 'milliseconds a size runs in a round' },
})

const wanted = operations.filter(({ label }) => list(flags.only || label).some(part => label.includes(part)))

/** Creates a separate database for every size. */
async function openSizes(server, source) {
  const [events, entries] = [numbers(flags.events), numbers(flags.entries)]
  const sizes = []
  for (let at = 0; at < Math.max(events.length, entries.length); at++) {
    const url = await createDatabase(server, `size_${at}`)
    const store = await openStore(source, url)
    const size = { url, store, events: events[at], entries: entries[at] }
    const start = performance.now()
    if (size.events && wanted.some(each => each.of === 'events')) Object.assign(size, await fillEvents(size, size.events))
    if (size.entries && wanted.some(each => each.of === 'entries')) await fillEntries(size, size.entries)
    console.error(`filled ${size.events ?? 0} events, ${size.entries ?? 0} entries and keys: ${Math.round((performance.now() - start) / 1000)} s`)
    sizes.push(size)
  }
  return sizes
}

let calls = 0

async function runOperation(operation, sizes, callers) {
  const taking = []
  for (const size of sizes.filter(each => each[operation.of])) {
    const { store } = size
    const given = { ...size, prepared: await operation.prepare?.(store, size) }
    const random = randomSource(42)
    const call = () => operation.call(store, given, random, calls++)
    const result = await call()
    if (operation.check && !operation.check(result)) throw new Error(`${operation.label} returned an unexpected result: ${JSON.stringify(result)?.slice(0, 500)}`)
    await runCallers(call, callers, flags.slice)
    taking.push(call)
  }
  const results = await runRounds(taking, flags.rounds, call => runCallers(call, callers, flags.slice))
  return { label: operation.label, of: operation.of, callers, rates: results.map(({ rates }) => rates) }
}

async function measure() {
  const [source] = await bundleStores(flags)
  const server = await startPostgres(flags.server)
  const sizes = await openSizes(server, source)
  const cases = []
  for (const callers of numbers(flags.callers)) {
    for (const operation of wanted) {
      if (operation.has && !operation.has(sizes[0].store)) continue
      cases.push(await runOperation(operation, sizes, callers))
      console.error(`${operation.label}, ${callers} callers: ${cases.at(-1).rates.map(rates => Math.round(Math.max(...rates))).join(', ')} calls a second at best`)
    }
  }
  for (const { store } of sizes) await store.close()
  return {
    machine: describeMachine({ servers: [server], stores: [source] }),
    method: { rounds: flags.rounds, slice: flags.slice },
    sizes: { events: numbers(flags.events), entries: numbers(flags.entries) },
    cases,
  }
}

try {
  await report('growth', flags, measure, renderGrowth)
}
finally {
  await stopAll()
}
process.exit()
