// Inline projections beside appends alone, and async ones and their builds beside the reader of the log, in one run.
import { readFlags } from './lib/flags.mjs'
import { runCallers } from './lib/load.mjs'
import { describeMachine } from './lib/machine.mjs'
import { median, ratio, runRounds } from './lib/rounds.mjs'
import { createDatabase, startPostgres, stopAll } from './lib/servers.mjs'
import { bundleStore, openStore } from './lib/store.mjs'

const CALLERS = 64
const POOL_SIZE = 10
const STEP = 1_000

const flags = readFlags({
  rounds: { full: 9, quick: 3, help: 'rounds a case' },
  slice: { full: 2_000, quick: 500, help: 'milliseconds for each contestant in a round' },
  keys: { full: 1_000, help: 'keys that appends are spread over' },
  events: { full: 200_000, quick: 20_000, help: 'events that are read, and built from' },
  server: { full: '18', help: 'which version of PostgreSQL' },
})

const event = { type: 'counted', data: { amount: 1 } }
const add = state => ({ count: (state?.count ?? 0) + 1 })
const single = { handle: add }
const batch = {
  handleBatch(states, events) {
    for (const { key } of events) states.set(key, add(states.get(key)))
  },
}

const perSecond = rates => `${Math.round(median(rates)).toLocaleString('en-US')}/s`
const share = (rates, others) => `${Math.round(100 * ratio(rates, others))} %`

async function inlineCases(server, source) {
  const url = await createDatabase(server, 'inline')
  const store = await openStore(source, url, { poolSize: POOL_SIZE })
  for (const [name, handler] of Object.entries({ single, batch })) {
    const projection = store.project({ name, mode: 'inline', subjects: [`${name}:*`, `own-${name}:*`], ...handler })
    await projection.start()
    await projection.whenCaughtUp()
    await projection.stop()
  }
  let n = 0
  const subject = prefix => `${prefix}:${n++ % flags.keys}`
  const contestants = [
    { call: () => store.stream.append(subject('alone'), event) },
    { call: () => store.stream.append(subject('batch'), event) },
    { call: () => store.stream.append(subject('single'), event) },
    { call: () => store.transaction(tx => tx.stream.append(subject('own-single'), event)) },
  ]
  const run = ({ call }) => runCallers(call, CALLERS, flags.slice)
  await runRounds(contestants, 1, run)
  const [alone, batched, one, own] = await runRounds(contestants, flags.rounds, run)
  console.log(`appends of ${CALLERS} callers: alone ${perSecond(alone.rates)}; inline, handleBatch ${perSecond(batched.rates)} = ${share(batched.rates, alone.rates)} (goal ≥ 65 %); inline, handle ${perSecond(one.rates)} = ${share(one.rates, alone.rates)} (goal ≥ 45 %); each in a transaction of its own ${perSecond(own.rates)} = ${share(own.rates, alone.rates)}; handleBatch × ${ratio(batched.rates, own.rates).toFixed(1)} of that (goal ≥ 2.5)`)
  await store.close()
}

async function asyncCases(server, source) {
  const url = await createDatabase(server, 'built')
  const store = await openStore(source, url, { poolSize: POOL_SIZE })
  for (let at = 0; at < flags.events; at += STEP) {
    await store.stream.appendAll(Array.from({ length: 100 }, (_, key) => ({ subject: `read:${(at + key) % flags.keys}`, events: Array.from({ length: STEP / 100 }, () => event) })))
  }
  const rateOf = async (work) => {
    const began = performance.now()
    await work()
    return flags.events / (performance.now() - began) * 1_000
  }
  const projection = store.project({ name: 'built', subjects: ['read:*'], ...batch })
  await projection.start()
  await projection.whenCaughtUp({ timeout: 600_000 })
  const rates = { reader: [], rebuilt: [], first: [] }
  for (let round = 0; round < flags.rounds; round++) {
    rates.reader.push(await rateOf(async () => {
      let count = 0
      for await (const { event: { type } } of store.stream.readAll({ subjects: ['read:*'] })) count += Number(type === event.type)
      if (count !== flags.events) throw new Error(`${count} events were read`)
    }))
    rates.rebuilt.push(await rateOf(async () => {
      await store.projections.rebuild('built')
      await projection.whenCaughtUp({ timeout: 600_000 })
    }))
    const other = store.project({ name: `first-${round}`, subjects: ['read:*'], ...batch })
    rates.first.push(await rateOf(() => other.runOnce({ maxMs: 600_000 })))
  }
  await projection.stop()
  console.log(`${flags.events.toLocaleString('en-US')} events: the reader ${perSecond(rates.reader)}; an async projection from the start ${perSecond(rates.first)} = ${share(rates.first, rates.reader)}; a rebuild ${perSecond(rates.rebuilt)} = ${share(rates.rebuilt, rates.reader)} (goal ≥ 80 %)`)
  await store.close()
}

try {
  const server = await startPostgres(flags.server)
  const source = await bundleStore()
  console.log(describeMachine({ servers: [server], stores: [source] }))
  await inlineCases(server, source)
  await asyncCases(server, source)
}
finally {
  await stopAll()
}
process.exit()
