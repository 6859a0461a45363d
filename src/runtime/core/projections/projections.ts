import { checkArray, checkName, checkOptions } from '../shared/checks'
import { encodeJson } from '../shared/json'
import type { Capability } from '../shared/types'
import { nextCursor, readListing } from '../sql/listing'
import { createBuilds, serving } from './builds'
import { listServed, lockProjection, readServed } from './buildsSql'
import { createProjection } from './projection'
import type { ProjectionParts } from './projection'
import { checkProjection, checkProjectionName, checkVersion } from './projectionSettings'
import type { AnyProjectOptions } from './projectionSettings'
import { foundBy } from './declaredFields'
import type { DeclaredFields } from './declaredFields'
import { countStates, queryStates } from './query'
import { putState } from './statesSql'
import { PROJECTION_LIST_OPTIONS } from './statesApi'
import type { Project, Projection } from './types'
import type { ProjectionList, ProjectionListOptions, ProjectionQueryOptions, ProjectionsApi } from './statesApi'

const ALL_PAGE = 500

export interface Projections extends Capability {
  readonly apis: { project: Project, projections: ProjectionsApi }
}

/** The projections of one store. */
export function createProjections(given: Omit<ProjectionParts, 'builds'>): Projections {
  const { context, call } = given
  const builds = createBuilds(given)
  const atWork = new Set<Projection>()

  async function statesOf<State>(name: string, keys: string[]): Promise<(State | null)[]> {
    const { rows } = await call(session => session.query<{ key: string | null, state: string | null }>(readServed(context, name, keys)))
    const states = new Map(rows.map(({ key, state }) => [key, state === null ? null : JSON.parse(state) as State]))
    return keys.map(key => states.get(key) ?? null)
  }

  async function list<State>(name: string, options: ProjectionListOptions | undefined): Promise<ProjectionList<State>> {
    const listing = readListing(checkOptions('options', options, PROJECTION_LIST_OPTIONS))
    const { rows } = await call(session => session.query<{ key: string, state: string, position: string }>(listServed(context, name, listing)))
    return {
      entries: rows.map(({ key, state, position }) => ({ key, state: JSON.parse(state) as State, position })),
      cursor: nextCursor(rows.map(({ key }) => key), listing),
    }
  }

  const projections: ProjectionsApi = {
    async get<State>(name: string, key: string) {
      return (await statesOf<State>(nameOf(name), [checkName('key', key)]))[0]!
    },
    async getMany<State>(name: string, keys: string[]) {
      const all = checkArray('keys', keys).map((key, at) => checkName(`keys.${at}`, key))
      return all.length === 0 ? [] : statesOf<State>(nameOf(name), all)
    },
    list: async (name, options) => list(nameOf(name), options),
    async* all<State>(name: string, options?: Pick<ProjectionListOptions, 'glob'>) {
      const { glob } = checkOptions('options', options, { glob: true })
      let cursor: string | null = null
      do {
        const page: ProjectionList<State> = await list<State>(nameOf(name), { ...glob !== undefined && { glob }, cursor, limit: ALL_PAGE })
        yield* page.entries
        cursor = page.cursor
      } while (cursor !== null)
    },
    query: async <State>(name: string, options?: ProjectionQueryOptions) => call(session => queryStates<State>(context, session, nameOf(name), options)),
    count: async (name, filter) => call(session => countStates(context, session, nameOf(name), filter)),
    async put(name, key, state) {
      nameOf(name)
      checkName('key', key)
      const text = state === null ? null : encodeJson(state, 'state')
      await call(session => session.atomic(async (inside) => {
        await inside.query(lockProjection(context, name))
        const { build, declared } = await serving(context, inside, name)
        const found = text === null || declared === null ? null : foundBy(JSON.parse(declared) as DeclaredFields, { name, build }, key, JSON.parse(text))
        await inside.query(putState(context, { name, build }, key, text, found))
      }))
    },
    checkpoint: async name => builds.info(nameOf(name)),
    async rebuild(name) {
      await builds.rebuild(nameOf(name))
      return (await builds.info(name))!.building!
    },
    truncate: async name => builds.truncate(nameOf(name)),
    serve: async (name, version) => builds.serve(nameOf(name), checkVersion('version', version)),
    async remove(name, version) {
      const gone = await builds.remove(nameOf(name), version === undefined ? undefined : checkVersion('version', version))
      given.inline.hook.forget()
      return gone
    },
  }

  return {
    apis: {
      project(options: unknown) {
        const settings = checkProjection(options as AnyProjectOptions)
        if (settings.mode === 'inline') given.inline.define(settings)
        return createProjection({ ...given, builds }, settings, atWork)
      },
      projections,
    },
    async stop() {
      await Promise.all([...atWork].map(projection => projection.stop()))
    },
  }
}

const nameOf = (name: unknown): string => checkProjectionName('name', name)
