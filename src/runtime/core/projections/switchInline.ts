import { sqlStateOf } from '../db/errors'
import type { Session } from '../db/types'
import type { Use } from '../batch/operation'
import { lockConsumer, removeConsumer } from '../consumers/adminSql'
import type { LockedShardRow } from '../consumers/adminSql'
import type { ConsumedEvent } from '../consumers/types'
import type { GlobalReader } from '../log/reader'
import { StoreError } from '../shared/errors'
import type { StatementContext } from '../sql/template'
import { copyRecord } from '../tables/eventCodec'
import type { TransactionApi } from '../transaction/types'
import { consumerOf, endBuilding, holdBuilding, limitWaits, lockProjection, readBuilds, setState } from './buildsSql'
import type { BuildRow } from './buildsSql'
import { holdAppends, moveFence } from './inlineSql'
import type { ProjectionSettings } from './projectionSettings'
import { createStates } from './states'
import type { ProjectEvents } from './states'
import type { BuildKey } from './statesSql'

// No lock is waited for longer: that of the heads holds all appends.
const WAIT_MS = 500
// Most events that are handled before appends are held, and while they are.
const MOST_BEFORE = 50_000
const MOST_HELD = 2_000
// So few events are left for when appends are held.
const FEW = 100
const PASSES = 5
const PAGE = 1_000
const LOCK_NOT_AVAILABLE = '55P03'

interface SwitchInlineOptions {
  context: StatementContext
  settings: ProjectionSettings
  /** The build that has caught up. */
  build: string
  within<T>(operation: string, work: (tx: TransactionApi, session: Session) => Promise<T>): Promise<T>
  readerOn(use: Use): GlobalReader
}

/**
 * Ends a build of an inline projection: handles what its consumer has not handled yet, the last of it with all appends
 * held, and from then on appends make its states. So each event is on exactly one side. Returns whether it was done.
 */
export async function switchInline(options: SwitchInlineOptions): Promise<boolean> {
  try {
    return await options.within('project', (tx, session) => attempt(options, tx, session))
  }
  catch (error) {
    // A transaction that has appended is open for longer: later.
    if (sqlStateOf(error) === LOCK_NOT_AVAILABLE) return false
    throw error
  }
}

async function attempt(options: SwitchInlineOptions, tx: TransactionApi, session: Session): Promise<boolean> {
  const { context, settings: { name }, build } = options
  await limitWaits(session, WAIT_MS)
  await session.query(lockProjection(context, name))
  const read = async () => (await session.query<BuildRow>(readBuilds(context, name))).rows
  const rows = await read()
  const own = rows.find(row => row.build === build)
  const serving = rows.find(row => row.state === 'serving')
  if (own?.state !== 'building' || own.parked > 0) return false
  // An older version, started beside a newer one. Nothing makes its states up to date: it has no use.
  if (serving && Number(serving.version) > Number(own.version)) {
    await forgetConsumer(session, context, consumerOf(name, build))
    return retire(session, context, name, own)
  }
  // Its workers wait here before they do anything, and so does this for them: later they could wait for each other.
  await session.query(endBuilding(context, { name, build }))
  const rest = await createRest(options, tx, session)
  if (!await rest?.handleMost()) return false
  await holdAppends(session, context)
  // With its workers waiting, nothing is parked any more.
  if (!await rest!.handleAll() || (await read()).find(row => row.build === build)!.parked > 0) return false
  await forgetConsumer(session, context, consumerOf(name, build))
  // Of the same version: it was made again because it was wrong.
  if (serving) await retire(session, context, name, serving, serving.version === own.version ? 'removed' : 'retired')
  await session.query(setState(context, { name, builds: [build], state: 'serving' }))
  await session.query(moveFence(context))
  return true
}

async function retire(session: Session, context: StatementContext, name: string, { build }: BuildRow, state: 'retired' | 'removed' = 'retired'): Promise<true> {
  await session.query(setState(context, { name, builds: [build], state }))
  return true
}

export async function forgetConsumer(session: Session, context: StatementContext, consumer: string): Promise<void> {
  for (const statement of removeConsumer(context, consumer)) await session.query(statement)
}

/**
 * The same for the consumer of a build, which writes nothing once appends make the states: a process that has not seen the
 * switch may make the consumer again, and that one begins with the first event.
 */
export const whileBuilding = (context: StatementContext, build: BuildKey, states: ProjectEvents): ProjectEvents => async (events, given, session) => {
  const { count } = await session.query(holdBuilding(context, build))
  const write = count > 0 ? await states(events, given, session) : undefined
  return async () => {
    // Not before: it is no failure of the handler.
    if (!write) throw new StoreError('DATABASE', `the states of projection ${JSON.stringify(build.name)} are made by appends now`, { retryable: true, details: { projection: build.name } })
    await write()
  }
}

/** What the consumer of a build has not handled, in the transaction of the switch; undefined: it has not begun yet. */
async function createRest({ context, settings, build, readerOn }: SwitchInlineOptions, tx: TransactionApi, session: Session) {
  const { rows } = await session.query<LockedShardRow>(lockConsumer(context, consumerOf(settings.name, build)))
  if (rows.length === 0) return undefined
  const positions = new Map(rows.map(({ shard, position }) => [shard, BigInt(position)]))
  const reader = readerOn(work => work(session, undefined as never))
  const states = createStates(context, settings, { name: settings.name, build }, true)
  const { subjects, types, topics } = settings.consumer
  const { signal } = new AbortController()
  let after = [...positions.values()].reduce((lowest, position) => position < lowest ? position : lowest)

  /** Returns how many events were read; undefined: too many are left. */
  async function handle(upTo: bigint, most: number): Promise<number | undefined> {
    const events: ConsumedEvent[] = []
    let seen = 0
    for await (const page of reader.pages({ after, upTo, subjects, types, topics, page: PAGE, shards: { count: rows.length } })) {
      seen += page.length
      for (const { subject, event, shard } of page) if (BigInt(event.id) > positions.get(shard!)!) events.push(copyRecord(event, { subject }))
      if (events.length > most) return undefined
    }
    if (events.length > 0) await (await states(events, { tx, attempt: 1, signal }, session))()
    after = upTo > after ? upTo : after
    return seen
  }

  return {
    /** While others append. */
    async handleMost() {
      for (let pass = 0; pass < PASSES; pass++) {
        const seen = await handle((await reader.mark()).safePosition, MOST_BEFORE)
        if (seen === undefined) return false
        if (seen < FEW) break
      }
      return true
    },
    /** With appends held: only the handler itself appends. */
    async handleAll() {
      for (let pass = 0; pass < PASSES; pass++) {
        const { head } = await reader.mark()
        if (head <= after) return true
        if (await handle(head, MOST_HELD) === undefined) return false
      }
      return false
    },
  }
}
