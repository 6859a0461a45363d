import { isDeepStrictEqual } from 'node:util'
import { lockConsumer } from '../consumers/adminSql'
import type { ConsumerParts } from '../consumers/consumer'
import type { Session } from '../db/types'
import { StoreError } from '../shared/errors'
import type { StatementContext } from '../sql/template'
import { addBuild, consumerOf, effectsOf, forgetProjection, limitWaits, lockProjection, lockUnprepared, readBuilds, readServing, setEmptied, setPrepared, setState } from './buildsSql'
import type { BuildRow } from './buildsSql'
import { deleteSome } from './statesSql'
import { holdAppends, moveFence } from './inlineSql'
import type { ProjectionSettings } from './projectionSettings'
import { forgetConsumer } from './switchInline'
import type { ProjectionBuild, ProjectionInfo } from './types'

// How long appends wait while an inline projection is removed.
const HELD_MS = 1_000
// So that no statement holds locks for long.
const EMPTY_STEP = 5_000

export type BuildsParts = Pick<ConsumerParts, 'context' | 'use' | 'call' | 'within' | 'reader'>

/** The builds of projections, as the database knows them. */
export interface Builds {
  /** The newest first. */
  read(name: string): Promise<BuildRow[]>
  /**
   * Makes the first build of a version, unless it is there.
   * @throws {StoreError} INVALID_CALL for a version that was removed, INVALID_OPTION where it is of another mode
   */
  register(settings: ProjectionSettings): Promise<void>
  /** Makes the tables of the caller for a build, once. */
  prepare(settings: ProjectionSettings, row: BuildRow): Promise<void>
  rebuild(name: string): Promise<void>
  truncate(name: string): Promise<void>
  serve(name: string, version: number): Promise<void>
  remove(name: string, version: number | undefined): Promise<boolean>
  /** Deletes what is left of builds that were removed. */
  empty(rows: BuildRow[], signal?: AbortSignal): Promise<void>
  info(name: string): Promise<ProjectionInfo | null>
}

export function createBuilds({ context, use, call, within, reader }: BuildsParts): Builds {
  const rowsOf = async (session: Pick<Session, 'query'>, name: string) => (await session.query<BuildRow>(readBuilds(context, name))).rows

  /** Changes what is registered of a projection. */
  const change = <T>(name: string, work: (session: Session, rows: BuildRow[]) => Promise<T>): Promise<T> => call(session => session.atomic(async (inside) => {
    await inside.query(lockProjection(context, name))
    return work(inside, await rowsOf(inside, name))
  }, { patient: true }))

  async function empty(rows: BuildRow[], signal?: AbortSignal): Promise<void> {
    for (const { name, build } of rows.filter(row => row.state === 'removed' && !row.emptied)) {
      const consumer = consumerOf(name, build)
      await use(session => session.atomic(async (inside) => {
        // What is under way is waited for; whatever comes later finds no shard to move, and is rolled back.
        await inside.query(lockConsumer(context, consumer))
        await forgetConsumer(inside, context, consumer)
      }))
      for (let deleted = EMPTY_STEP; deleted === EMPTY_STEP;) {
        if (signal?.aborted) return
        deleted = (await use(session => session.query(deleteSome(context, { name, build }, EMPTY_STEP)))).count
      }
      await use(session => session.query(setEmptied(context, { name, build })))
    }
  }

  return {
    read: name => call(session => rowsOf(session, name)),

    register: ({ name, version, mode, filter, declared }) => change(name, async (session, rows) => {
      const own = rows.filter(row => Number(row.version) === version)
      const kept = own.find(row => row.state !== 'removed')
      if (kept && kept.mode !== mode) throw new StoreError('INVALID_OPTION', `version ${version} of projection ${JSON.stringify(name)} is ${kept.mode}: give a higher version to make it ${mode}`, { details: { projection: name, version } })
      if (kept && mode === 'inline' && !isSame(kept.filter, filter)) throw new StoreError('INVALID_OPTION', `version ${version} of projection ${JSON.stringify(name)} handles other events in the database than here: give a higher version when its subjects, types or topics change`, { details: { projection: name, version } })
      if (kept && !isSame(kept.declared, declared)) throw new StoreError('INVALID_OPTION', `version ${version} of projection ${JSON.stringify(name)} has other fields in the database than here: give a higher version when its fields or sortBy change`, { details: { projection: name, version } })
      if (kept) return
      if (mode === 'async' && rows.some(row => row.mode === 'inline' && row.state === 'serving')) throw new StoreError('INVALID_OPTION', `projection ${JSON.stringify(name)} is inline: make its next version inline as well, or take another name`, { details: { projection: name, version } })
      if (own.length > 0) throw new StoreError('INVALID_CALL', `version ${version} of projection ${JSON.stringify(name)} was removed: give a higher version, or forget the whole projection with store.projections.remove()`, { details: { projection: name, version } })
      await session.query(addBuild(context, { name, version, mode, state: 'building', filter: mode === 'inline' ? JSON.stringify(filter) : null, declared: declared && JSON.stringify(declared) }))
    }),

    async prepare({ name, version, prepare }, { build, prepared }) {
      if (prepared) return
      await within('project', async (tx, session) => {
        const { count } = await session.query(lockUnprepared(context, { name, build }))
        if (count === 0) return
        await prepare?.({ tx, projection: name, version, build: Number(build) })
        await session.query(setPrepared(context, { name, build }))
      })
    },

    rebuild: name => change(name, async (session, rows) => {
      const { version, mode, filter, declared } = servingOf(name, rows)
      if (rows.some(row => row.state === 'building' && row.version === version)) throw new StoreError('INVALID_CALL', `version ${version} of projection ${JSON.stringify(name)} is being built already: store.projections.checkpoint() tells how far it is`, { details: { projection: name } })
      await session.query(addBuild(context, { name, version: Number(version), mode, state: 'building', filter, declared }))
    }),

    // A build that serves from its beginning, in place of the one that did: the processes that make the states begin with it.
    async truncate(name) {
      await change(name, async (session, rows) => {
        const { version, mode, declared } = servingOf(name, rows)
        if (mode === 'inline') throw new StoreError('INVALID_CALL', `projection ${JSON.stringify(name)} is inline, so that readers must not see it come back: call rebuild()`, { details: { projection: name } })
        const gone = rows.filter(row => row.version === version && row.state !== 'removed').map(({ build }) => build)
        await session.query(setState(context, { name, builds: gone, state: 'removed' }))
        await session.query(addBuild(context, { name, version: Number(version), mode, state: 'serving', filter: null, declared }))
      })
      await empty(await use(session => rowsOf(session, name)))
    },

    serve: (name, version) => change(name, async (session, rows) => {
      const own = rows.find(row => Number(row.version) === version && row.state !== 'removed')
      if (!own) throw rows.length === 0 ? unknown(name) : new StoreError('NOT_FOUND', `projection ${JSON.stringify(name)} has no version ${version}`, { details: { projection: name, version } })
      if (own.state === 'serving') return
      if (own.mode === 'inline' || rows.some(row => row.mode === 'inline' && row.state === 'serving')) throw new StoreError('INVALID_CALL', `projection ${JSON.stringify(name)} is inline: the states of a version that does not serve are not kept up to date; give the old code a higher version`, { details: { projection: name, version } })
      if (own.state === 'building') throw new StoreError('INVALID_CALL', `version ${version} of projection ${JSON.stringify(name)} is still being built, and serves by itself once it has caught up`, { details: { projection: name, version } })
      await session.query(setState(context, { name, builds: rows.filter(row => row.state === 'serving').map(({ build }) => build), state: 'retired' }))
      await session.query(setState(context, { name, builds: [own.build], state: 'serving' }))
    }),

    async remove(name, version) {
      const gone = await change(name, async (session, rows) => {
        const own = rows.filter(row => row.state !== 'removed' && (version === undefined || Number(row.version) === version))
        if (version !== undefined && own.some(row => row.state === 'serving')) throw new StoreError('INVALID_CALL', `version ${version} of projection ${JSON.stringify(name)} serves its readers: let another one serve first, or remove the whole projection`, { details: { projection: name, version } })
        if (own.some(isInlineServing)) {
          await limitWaits(session, HELD_MS)
          await holdAppends(session, context)
          await session.query(moveFence(context))
        }
        await session.query(setState(context, { name, builds: own.map(({ build }) => build), state: 'removed' }))
        if (version === undefined) await forgetConsumer(session, context, effectsOf(name))
        return version === undefined ? rows.length > 0 : own.length > 0
      })
      await empty(await use(session => rowsOf(session, name)))
      if (version === undefined) await use(session => session.query(forgetProjection(context, name)))
      return gone
    },

    empty,

    async info(name) {
      // Positions before the mark: in the other order a build could be ahead of it.
      const rows = await call(session => rowsOf(session, name))
      if (rows.length === 0) return null
      const { head } = await reader.mark()
      const builds = rows.filter(row => row.state !== 'removed').map(row => toBuild(row, head))
      return {
        name, head: String(head), builds,
        serving: builds.find(({ state }) => state === 'serving') ?? null, building: builds.find(({ state }) => state === 'building') ?? null,
      }
    },
  }
}

/**
 * The build that serves, for readers: one row of a small table.
 * @throws {StoreError} NOT_FOUND, INVALID_CALL
 */
export async function serving(context: StatementContext, session: Pick<Session, 'query'>, name: string): Promise<Pick<BuildRow, 'build' | 'declared'>> {
  const { rows: [row] } = await session.query<Pick<BuildRow, 'build' | 'declared'>>(readServing(context, name))
  return row ?? servingOf(name, (await session.query<BuildRow>(readBuilds(context, name))).rows)
}

/** @throws {StoreError} NOT_FOUND, INVALID_CALL */
function servingOf(name: string, rows: BuildRow[]): BuildRow {
  const serving = rows.find(({ state }) => state === 'serving')
  if (serving) return serving
  if (rows.length === 0) throw unknown(name)
  throw new StoreError('INVALID_CALL', `no build of projection ${JSON.stringify(name)} serves yet: start() it in a process that has its handler, and wait with whenCaughtUp()`, { details: { projection: name } })
}

const unknown = (name: string): StoreError =>
  new StoreError('NOT_FOUND', `there is no projection ${JSON.stringify(name)}: a process makes it with store.project() and start()`, { details: { projection: name } })

function toBuild(row: BuildRow, head: bigint): ProjectionBuild {
  const isUpToDate = isInlineServing(row)
  const position = isUpToDate ? head : BigInt(row.position ?? '0')
  const lag = head > position ? Number(head - position) : 0
  return {
    build: Number(row.build), version: Number(row.version), mode: row.mode, state: row.state as ProjectionBuild['state'],
    position: isUpToDate ? String(head) : row.position, lag, progress: lag === 0 ? 1 : Number(position) / Number(head), parked: Number(row.parked), createdAt: Number(row.created_at),
  }
}

const isInlineServing = ({ mode, state }: BuildRow): boolean => mode === 'inline' && state === 'serving'

/** One that no consumer makes any more: appends do, or it has served. */
export const isInlineBuilt = ({ mode, state }: BuildRow): boolean => mode === 'inline' && state !== 'building'

const isSame = (stored: string | null, given: unknown): boolean => isDeepStrictEqual(stored === null ? null : JSON.parse(stored), given)
