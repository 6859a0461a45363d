import pg from 'pg'
import { CONTESTANTS, startTeam } from './consume-team.mjs'
import { query } from './servers.mjs'

const RATE = 50
const SLICE_ITEMS = 100
const STREAM = { rate: 2_000, processes: 4 }

/** Values at shares of a distribution: the median, the 99th percentile and the worst. */
function distribution(latencies) {
  const sorted = latencies.toSorted((a, b) => a - b)
  const at = share => sorted[Math.floor((sorted.length - 1) * share)]
  return { p50: at(0.5), p99: at(0.99), worst: at(1) }
}

/** The time from the commit of an item to its handler, at a rate that keeps no contestant busy. */
export async function measureDelays(names, { rounds, ...given }) {
  const teams = []
  for (const name of names.filter(name => !CONTESTANTS[name].each)) {
    const team = await startTeam({ name, processes: 1, work: { batch: 100, each: true, concurrency: 1, timed: true } }, given)
    teams.push({ ...team, latencies: [], lost: 0 })
  }
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    for (const team of teams) {
      const { latencies, lost } = await team.follow(SLICE_ITEMS, RATE)
      if (round > 0) team.latencies.push(...latencies)
      team.lost += lost
    }
  }
  await Promise.all(teams.map(({ close }) => close()))
  return teams.map(({ name, latencies, lost }) => ({ name, ...distribution(latencies), lost }))
}

/** A steady stream, without and with a foreign transaction that keeps the server from cleaning up behind it. */
export async function measureSnapshot(minutes, given) {
  const results = []
  for (const isOpen of [false, true]) {
    const team = await startTeam({ name: 'store', processes: STREAM.processes, work: { batch: 100, each: true, timed: true } }, given)
    await team.follow(STREAM.rate, STREAM.rate)
    const before = await sizeOf(team.url)
    const snapshot = isOpen && await openSnapshot(team.url)
    const { latencies, ms } = await team.follow(minutes * 60 * STREAM.rate, STREAM.rate)
    results.push({ isOpen, rate: latencies.length / ms * 1000, ...distribution(latencies), grown: await sizeOf(team.url) - before })
    if (snapshot) await snapshot.end()
    await team.close()
  }
  return { minutes, ...STREAM, results }
}

async function openSnapshot(url) {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query('begin isolation level repeatable read')
  await client.query('select count(*) from nvent_consumer_shards')
  return client
}

async function sizeOf(url) {
  const [{ bytes }] = await query(url, `
    select sum(pg_total_relation_size(oid))::text as bytes from pg_class where relkind in ('r', 'p') and relname like 'nvent\\_consumer%'`)
  return Number(bytes)
}
