import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { compiled } from '../../setup/compiled'
import { freshDatabase, openStore } from '../../setup/database'
import { eventually } from '../../setup/eventually'
import { servers } from '../servers'
import { SUMS, foldLog, servedLedger } from './ledger'
import type { ProjectionPlan } from './projectionWorker'

// Thirty rounds: PROJECTION_ROUNDS=30 npx vitest run --project pg test/pg/faults/projections.test.ts
const ROUNDS = Number(process.env.PROJECTION_ROUNDS ?? 5)
const WORKERS = 3
const LEASE_MS = 800
const SUBJECTS = Array.from({ length: 40 }, (_, at) => `s:${at}`)

async function start(plan: ProjectionPlan): Promise<ChildProcess> {
  const child = fork(compiled('test/pg/faults/projectionWorker.ts'), [JSON.stringify(plan)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  await new Promise<void>((resolve, reject) => {
    child.once('exit', code => reject(new Error(`a worker has ended with ${code} before it was ready`)))
    child.on('message', (message: { ready?: true }) => message.ready && resolve())
  })
  return child
}

describe.each(servers)('projections on $name whose processes are killed, frozen and cut off', ({ server }) => {
  it('keep states equal to a fold of the log, while they are built again, and while a new version is built', { timeout: 120_000 + ROUNDS * 30_000 }, async () => {
    const { url, sql } = await freshDatabase(server)
    const store = openStore({ connection: url })
    await store.ready()
    await sql(SUMS)
    let n = 0
    const append = () => Promise.all(SUBJECTS.map(subject => store.stream.append(subject, { type: 'numbered', data: { n: n++ } })))
    for (let at = 0; at < 5; at++) await append()
    let version = 1
    const workers = await Promise.all(Array.from({ length: WORKERS }, () => start({ url, version })))
    await eventually(async () => expect(await store.projections.checkpoint('ledger')).toMatchObject({ serving: { version: 1 } }))

    let isOver = false
    const writing = (async () => {
      while (!isOver) {
        await append()
        await sleep(100)
      }
    })()
    // What a reader has seen is never taken back, whichever build serves.
    const seen: Record<string, number> = {}
    const reading = (async () => {
      while (!isOver) {
        const states = await servedLedger(store)
        for (const subject of SUBJECTS) {
          const count = states[subject]?.count ?? 0
          if (count < (seen[subject] ?? 0)) throw new Error(`${subject}: ${seen[subject]} events were seen, and ${count} later`)
          seen[subject] = count
        }
        await sleep(20)
      }
    })()
    // It is awaited in the end.
    reading.catch(() => undefined)

    for (let round = 0; round < ROUNDS; round++) {
      await sleep(100 + Math.random() * 500)
      const at = round % WORKERS
      if (round % 5 === 1) await store.projections.rebuild('ledger').catch((error: { code: string }) => expect(error.code).toBe('INVALID_CALL'))
      if (round % 5 === 3) version++
      if (round % 3 === 1) {
        workers[at]!.kill('SIGSTOP')
        await sleep(LEASE_MS * 1.5)
        workers[at]!.kill('SIGCONT')
      }
      else if (round % 3 === 2) {
        const cut = await sql('select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = \'projecting\' order by random() limit 3')
        expect(cut.length).toBeGreaterThan(0)
      }
      workers[at]!.kill('SIGKILL')
      await once(workers[at]!, 'exit')
      workers[at] = await start({ url, version })
    }
    // All of them have the newest code in the end.
    for (const [at, child] of workers.entries()) {
      child.kill('SIGKILL')
      await once(child, 'exit')
      workers[at] = await start({ url, version })
    }
    await eventually(async () => expect(await store.projections.checkpoint('ledger')).toMatchObject({ serving: { version }, building: null }))
    isOver = true
    await writing
    await reading
    const projection = store.project({ name: 'ledger', version, handle: () => undefined })
    await projection.whenCaughtUp({ timeout: 120_000 })
    await eventually(async () => expect(await projection.status()).toMatchObject({ serving: { lag: 0, parked: 0 } }))
    await Promise.all(workers.map(async (child) => {
      child.send('stop')
      await once(child, 'exit')
    }))

    const states = await foldLog(store)
    expect(Object.keys(states)).toHaveLength(SUBJECTS.length)
    expect(await servedLedger(store)).toEqual(states)
    const { serving } = (await store.projections.checkpoint('ledger'))!
    const sums = await sql<{ subject: string, events: string }>('select subject, events from sums where build = $1', [serving!.build])
    expect(Object.fromEntries(sums.map(({ subject, events }) => [subject, Number(events)]))).toEqual(Object.fromEntries(Object.entries(states).map(([subject, { count }]) => [subject, count])))
    console.info(`${n} events, ${ROUNDS} rounds, build ${serving!.build} of version ${version}`)
  })
})
