import { setTimeout as sleep } from 'node:timers/promises'
import { lockConsumer } from '../consumers/adminSql'
import type { Session } from '../db/types'
import type { StatementContext } from '../sql/template'
import { consumerOf, limitWaits, lockProjection, readBuilds, setState } from './buildsSql'
import type { BuildRow } from './buildsSql'

// The build that serves is held for no longer, nor are its rows waited for.
const HELD_MS = 1_000
const LOOK_MS = 10

interface SwitchOptions {
  context: StatementContext
  name: string
  /** The build that has caught up. */
  build: string
  /** Whether it can go on while this transaction holds the one that serves: there is more than one connection. */
  goesOn: boolean
}

/**
 * Lets a build serve that has caught up, in the transaction that is open. The one that serves is held meanwhile, until
 * the new one is at least as far: readers never see less than they have seen. Returns whether it was done.
 */
export async function switchOver(session: Session, { context, name, build, goesOn }: SwitchOptions): Promise<boolean> {
  await limitWaits(session, HELD_MS)
  await session.query(lockProjection(context, name))
  const read = async () => (await session.query<BuildRow>(readBuilds(context, name))).rows
  const before = await read()
  const own = before.find(row => row.build === build)
  const serving = before.find(row => row.state === 'serving')
  if (own?.state !== 'building') return false
  // An older version, started beside a newer one: it is there for a way back.
  if (serving && Number(serving.version) > Number(own.version)) return set(session, context, name, { [build]: 'retired' })
  if (serving) {
    await session.query(lockConsumer(context, consumerOf(name, serving.build)))
    const held = (await read()).find(row => row.build === serving.build)!
    if (!await reaches(read, build, BigInt(held.highest ?? '0'), goesOn)) return false
  }
  else if (own.parked > 0) {
    return false
  }
  // Of the same version: it was made again because it was wrong.
  const last = serving && { [serving.build]: serving.version === own.version ? 'removed' as const : 'retired' as const }
  return set(session, context, name, { ...last, [build]: 'serving' })
}

/** In the order given: no two builds serve at the same time. */
async function set(session: Session, context: StatementContext, name: string, states: Record<string, BuildRow['state']>): Promise<true> {
  for (const state of ['removed', 'retired', 'serving'] as const) {
    const builds = Object.keys(states).filter(build => states[build] === state)
    if (builds.length > 0) await session.query(setState(context, { name, builds, state }))
  }
  return true
}

async function reaches(read: () => Promise<BuildRow[]>, build: string, position: bigint, goesOn: boolean): Promise<boolean> {
  for (const until = performance.now() + HELD_MS; ;) {
    const own = (await read()).find(row => row.build === build)!
    if (BigInt(own.position ?? '-1') >= position && own.parked === 0) return true
    if (!goesOn || performance.now() > until) return false
    await sleep(LOOK_MS)
  }
}
