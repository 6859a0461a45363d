import { setTimeout as sleep } from 'node:timers/promises'
import { startProcess } from './processes.mjs'
import { createDatabase, query } from './servers.mjs'
import { withServerTime } from './server-time.mjs'

const LOOK_MS = 10
const PATIENCE_MS = 120_000
const SETTLE_MS = 500
/** A peer that has handled nothing for so long has lost what is left. */
const LOST_MS = 10_000

/** Who is measured: `kind` as in consume-worker.mjs, `alone` when more than one process brings nothing. */
export const CONTESTANTS = {
  'store': { kind: 'store' },
  'store one by one': { kind: 'store', each: true },
  'pg-boss': { kind: 'openPgBoss' },
  'graphile-worker': { kind: 'openGraphileWorker' },
  'BullMQ': { kind: 'openBullMq', redis: true },
  'emmett': { kind: 'openEmmett', alone: true },
}
export const PACKAGES = ['pg-boss', 'graphile-worker', 'bullmq', '@event-driven-io/emmett-postgresql']

let databases = 0

/**
 * Starts the processes of one contestant for one case, in a database of their own: workers, and one that writes.
 * @param {{ name: string, processes: number, work: import('./consume-store.mjs').Work }} member
 * @param {{ servers: { postgres: object, redis?: object }, source: object }} given
 */
export async function startTeam({ name, processes, work }, { servers, source }) {
  const { kind, each = false, redis } = CONTESTANTS[name]
  const server = redis ? servers.redis : servers.postgres
  const queue = `bench${++databases}`
  const url = redis ? server.url : await createDatabase(server, queue)
  const members = []
  // One after the other: the first one creates the tables.
  for (let n = 0; n <= processes; n++) {
    const member = startProcess(new URL('./consume-worker.mjs', import.meta.url))
    await member.ask('open', { kind, url, queue, source })
    members.push(member)
  }
  const [writer, ...workers] = members
  const all = (action, ...parameters) => Promise.all(workers.map(worker => worker.ask(action, ...parameters)))
  await all('join', { ...work, each: work.each ?? each })
  await until(async () => (await all('isReady', processes)).every(Boolean), `${name}: each process has its share`)
  let next = 1

  const counted = async () => (await all('handled')).reduce((sum, handled) => sum + handled, 0)
  const untilHandled = count => until(async () => await counted() >= count, `${name} handles ${count} items`)

  /** How many of so many were never handled: emmett passes over events that others commit later. The store has to handle all. */
  async function lostOf(count) {
    if (kind === 'store') {
      await untilHandled(count)
      return 0
    }
    let [handled, since] = [await counted(), performance.now()]
    while (handled < count && performance.now() - since < LOST_MS) {
      await sleep(LOOK_MS)
      const now = await counted()
      if (now > handled) [handled, since] = [now, performance.now()]
    }
    return count - handled
  }

  async function runWorkers(count) {
    await all('resume')
    await untilHandled(count)
    await all('pause')
    return all('take')
  }

  return {
    name,
    server,
    url,
    /** Writes items, then lets the workers handle them. */
    async run(count) {
      await writer.ask('fill', next, count)
      next += count
      const wal = await walOf(server, url)
      const slice = await withServerTime(server, async () => summary(await runWorkers(count)))
      return { ...slice, wal: wal === undefined ? Number.NaN : await walOf(server, url) - wal }
    },
    /** Lets the workers handle what is written meanwhile. @returns {Promise<{ latencies: number[], ms: number, lost: number }>} */
    async follow(count, rate) {
      const from = next
      next += count
      await all('resume')
      // Until workers have nothing to do.
      await sleep(SETTLE_MS)
      const committed = new Map(await writer.ask('produce', { from, count, rate }))
      const lost = await lostOf(count)
      await all('pause')
      const handled = (await all('take')).flatMap(({ times }) => times).filter(([n]) => committed.has(n))
      const ends = handled.map(([, at]) => at)
      return {
        latencies: handled.map(([n, at]) => Math.max(0, at - committed.get(n))),
        ms: ends.reduce((a, b) => Math.max(a, b)) - ends.reduce((a, b) => Math.min(a, b)),
        lost,
      }
    },
    close: () => Promise.all(members.map(member => member.close())),
  }
}

/** The time for all items, by the rate from the end of the first call of any worker to that of the last one. */
function summary(taken) {
  const begun = taken.filter(({ first }) => first)
  const { first } = begun.reduce((a, b) => a.first.at <= b.first.at ? a : b)
  const calls = begun.reduce((sum, { handled }) => sum + handled, 0)
  const ms = Math.max(...begun.map(({ last }) => last)) - first.at
  return {
    calls,
    ms: ms * calls / (calls - first.items),
    cpu: taken.reduce((sum, { cpu }) => sum + cpu, 0),
    refused: 0,
  }
}

async function walOf({ name }, url) {
  if (name === 'Redis') return undefined
  const [{ at }] = await query(url, 'select (pg_current_wal_insert_lsn() - \'0/0\')::text as at')
  return Number(at)
}

async function until(isDone, what) {
  const deadline = performance.now() + PATIENCE_MS
  while (!await isDone()) {
    if (performance.now() > deadline) throw new Error(`not within ${PATIENCE_MS / 1000} s: ${what}`)
    await sleep(LOOK_MS)
  }
}
