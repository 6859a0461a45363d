import { checkFunction, checkMembers } from '../shared/checks'
import { definition } from '../shared/definition'
import type { Members } from '../shared/types'
import { createEventParser } from '../typed/eventParser'
import type { EventOf, HandledSchema } from '../typed/eventParser'
import { chain, inOrder } from '../typed/parse'
import type { ProjectionContext, ProjectOptions, SideEffectContext } from './types'
import { PROJECT_OPTIONS } from './types'

type Projected<Schema> = EventOf<Schema> & { subject: string }

export interface ProjectionDefinitionOptions<State, Schema> extends Omit<ProjectOptions<State>, 'name' | 'types' | 'key' | 'init' | 'handle' | 'handleBatch' | 'sideEffects'> {
  /** Default, in a file of its own: the name of the file. */
  name?: string
  /** An event whose `data` is refused fails as if the handler had thrown. Given by type, only events of these types are read. */
  schema?: Schema
  types?: EventOf<Schema>['type'][]
  /** The state that an event belongs to; null: none. Default: its subject. Gets the event as it is in the log. */
  key?: ProjectOptions<State>['key']
  init?: State | ((key: string) => State)
  /** Returns the state after an event. `undefined`: it stays as it is; `null`: it is removed. */
  handle?: (state: State, event: Projected<Schema>, context: ProjectionContext) => State | null | undefined | Promise<State | null | undefined>
  /** Instead of `handle`, for several events at once. */
  handleBatch?: (states: Map<string, State>, events: { key: string, event: Projected<Schema> }[], context: ProjectionContext) => unknown
  sideEffects?: (event: Projected<Schema>, context: SideEffectContext) => unknown
}

/** What `store.project` takes, but for the name, which may come from a file. */
export type ProjectionDefinition = Omit<ProjectOptions<unknown, never>, 'name'> & { name?: string }

const DEFINITION_OPTIONS: Members<ProjectionDefinitionOptions<unknown, HandledSchema>> = { ...PROJECT_OPTIONS, schema: true }

/**
 * Describes a projection without starting it: the default export of a file in `server/projections`, or options of
 * `store.project`, which throws for an unknown option, or a schema that is none.
 * @example
 * export default defineProjection({
 *   schema: { 'order.paid': z.object({ total: z.number() }) },
 *   init: { revenue: 0 },
 *   handle: (state, event) => ({ revenue: state.revenue + event.data.total }),
 * })
 */
export function defineProjection<State, const Schema extends HandledSchema | undefined = undefined>(options: ProjectionDefinitionOptions<State, Schema>): ProjectionDefinition {
  return definition(() => parsed(options))
}

function parsed(options: object): ProjectionDefinition {
  const { schema, ...given } = checkMembers('options', options, DEFINITION_OPTIONS as Record<string, true>) as ProjectionDefinition & { schema?: unknown }
  if (schema === undefined) return given
  const { types, parse } = createEventParser(schema, given.types)
  const { handle, handleBatch, sideEffects } = given
  for (const [name, value] of Object.entries({ handle, handleBatch, sideEffects })) if (value !== undefined) checkFunction(`options.${name}`, value)
  return {
    ...given, ...types && { types },
    ...handle && { handle: (state, event, context) => chain(parse(event), typed => handle(state, typed, context)) as ReturnType<typeof handle> },
    ...handleBatch && { handleBatch: (states, events, context) => chain(
      inOrder(events, ({ key, event }) => chain(parse(event), typed => ({ key, event: typed }))), typed => handleBatch(states, typed, context)) },
    ...sideEffects && { sideEffects: (event, context) => chain(parse(event), typed => sideEffects(typed, context)) },
  }
}
