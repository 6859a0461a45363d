import { getPostgreSQLEventStore, postgreSQLEventStoreConsumer } from '@event-driven-io/emmett-postgresql'
import { Queue, Worker } from 'bullmq'
import { Logger, makeWorkerUtils, run } from 'graphile-worker'
import { PgBoss } from 'pg-boss'
import { itemOf } from './consume-store.mjs'
import { POOL_SIZE } from './peers.mjs'

const AT_ONCE = 1_000
const QUEUE = 'bench'
/** The setting of graphile-worker's own performance test. */
const GRAPHILE_JOBS = 24

/** Writes items a thousand at a time. */
async function inBlocks(from, count, write) {
  for (let at = 0; at < count; at += AT_ONCE) {
    await write(Array.from({ length: Math.min(AT_ONCE, count - at) }, (_, n) => itemOf(from + at + n)))
  }
}

export async function openPgBoss({ url }) {
  const boss = new PgBoss({ connectionString: url, max: POOL_SIZE, useListenNotify: true })
  boss.on('error', error => console.error('pg-boss:', error.message))
  await boss.start()
  await boss.createQueue(QUEUE, { notify: true })
  let settings, handle
  return {
    add: n => boss.send(QUEUE, itemOf(n)),
    fill: (from, count) => inBlocks(from, count, items => boss.insert(QUEUE, items.map(data => ({ data })))),
    join(work, given) {
      settings = { batchSize: work.each ? work.concurrency ?? 1 : work.batch, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5 }
      handle = given
    },
    resume: () => boss.work(QUEUE, settings, jobs => handle(jobs.map(({ data }) => data.n))),
    pause: () => boss.offWork(QUEUE, { wait: true }),
    close: () => boss.stop({ graceful: false }),
  }
}

export async function openGraphileWorker({ url }) {
  const logger = new Logger(() => (level, message) => level === 'error' && console.error('graphile-worker:', message))
  const utils = await makeWorkerUtils({ connectionString: url, logger })
  await utils.migrate()
  let worker, handle, runner
  return {
    add: n => utils.addJob(QUEUE, itemOf(n)),
    fill: (from, count) => inBlocks(from, count, items => utils.addJobs(items.map(payload => ({ identifier: QUEUE, payload })))),
    join(work, given) {
      worker = {
        connectionString: url, maxPoolSize: POOL_SIZE, concurrentJobs: work.concurrency ?? GRAPHILE_JOBS,
        // Its own advice for much to do; without it for the shortest way to a handler.
        ...!work.timed && { localQueue: { size: Math.max(work.batch, GRAPHILE_JOBS) }, completeJobBatchDelay: 0 },
      }
      handle = given
    },
    async resume() {
      runner = await run({ logger, noHandleSignals: true, preset: { worker }, taskList: { [QUEUE]: ({ n }) => handle([n]) } })
    },
    pause: () => runner.stop(),
    close: () => utils.release(),
  }
}

export async function openBullMq({ url, queue: name }) {
  const { hostname, port } = new URL(url)
  const connection = { host: hostname, port: Number(port) }
  const queue = new Queue(name, { connection, defaultJobOptions: { removeOnComplete: true } })
  let worker
  return {
    add: n => queue.add('placed', itemOf(n)),
    fill: (from, count) => inBlocks(from, count, items => queue.addBulk(items.map(data => ({ name: 'placed', data })))),
    async join({ batch, concurrency = batch }, handle) {
      worker = new Worker(name, ({ data }) => Promise.resolve(handle([data.n])), { connection: { ...connection, maxRetriesPerRequest: null }, concurrency })
      worker.on('error', error => console.error('BullMQ:', error.message))
      await worker.waitUntilReady()
      await worker.pause()
    },
    resume: () => worker.resume(),
    pause: () => worker.pause(),
    async close() {
      await worker?.close()
      await queue.close()
    },
  }
}

/** A second process only stands by, so one is measured. It calls handlers for each message. */
export async function openEmmett({ url }) {
  const store = getPostgreSQLEventStore(url)
  await store.schema.migrate()
  const write = items => store.appendToStream(`orders-${items[0].n}`, items.map(data => ({ type: 'placed', data })))
  let batchSize, handle, consumer, running
  return {
    add: n => write([itemOf(n)]),
    fill: (from, count) => inBlocks(from, count, write),
    join({ batch }, given) {
      batchSize = batch
      handle = given
    },
    resume() {
      // The pause after a full page, 50 ms by default, would be all that is measured.
      consumer = postgreSQLEventStoreConsumer({ connectionString: url, pulling: { batchSize, pullingFrequencyInMs: 1 } })
      consumer.reactor({ processorId: QUEUE, eachMessage: async ({ data }) => void await handle([data.n]) })
      running = consumer.start()
      running.catch(error => console.error('emmett:', error.message))
    },
    async pause() {
      await consumer.close()
      await running
    },
    close: () => store.close(),
  }
}
