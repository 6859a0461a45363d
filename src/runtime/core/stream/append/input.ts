import { checkArray, checkData, checkName, checkText } from '../../shared/checks'
import { checkTopics } from '../../shared/topics'
import { invalidValue } from '../../shared/errors'
import { membersOf } from '../../shared/given'
import { toJson } from '../../shared/json'
import type { EncodedEvent } from '../../tables/eventCodec'
import { encodeEvent } from '../../tables/eventCodec'
import type { Route } from '../../tables/route'
import type { StreamSpec } from '../../tables/types'
import { checkExpectation } from './expectation'
import type { Expectation } from './expectation'
import type { AppendManyOptions, AppendOptions } from './types'
import type { EventInput, EventMeta } from '../../shared/event'

// The id and the subject together have to fit an index row.
const MAX_EVENT_ID_BYTES = 512

/** An event to append, encoded for its table. */
export interface AppendInput extends EncodedEvent {
  route: Route<StreamSpec>
  /** An id is appended only once to a subject. */
  eventId: string | undefined
  expectation: Expectation
}

export const partitionOf = ({ route }: AppendInput): string => route.spec.partition ? route.keys[0]! : ''

/** Checks and encodes one event with its options. */
export function appendInput(route: Route<StreamSpec>, event: EventInput, options: Partial<AppendOptions>): AppendInput {
  const meta = metaOf('options.', options)
  return {
    route,
    ...encodeEvent(route, withMeta('event', event, meta)),
    eventId: options.eventId === undefined ? undefined : checkName('options.eventId', options.eventId, MAX_EVENT_ID_BYTES),
    expectation: checkExpectation('options.expectedVersion', options.expectedVersion),
  }
}

/** Checks and encodes several events of one subject. `path` names events and options in errors. */
export function appendInputs(
  route: Route<StreamSpec>, events: unknown, options: Partial<AppendManyOptions>, path: { events: string, options: string },
): AppendInput[] {
  const meta = metaOf(path.options, options)
  const expectation = checkExpectation(`${path.options}expectedVersion`, options.expectedVersion)
  const list = checkArray(path.events, events)
  const ids = checkIds(`${path.options}eventIds`, options.eventIds, list.length)
  return list.map((event, at) => ({
    route,
    ...encodeEvent(route, withMeta(`${path.events}.${at}`, event, meta), `${path.events}.${at}`),
    eventId: ids?.[at],
    expectation,
  }))
}

function checkIds(argument: string, value: unknown, length: number): string[] | undefined {
  if (value === undefined) return undefined
  const ids = checkArray(argument, value)
  if (ids.length !== length) throw invalidValue(argument, `must have one id for each event: ${ids.length} ids came with ${length} events`)
  return ids.map((id, at) => checkName(`${argument}.${at}`, id, MAX_EVENT_ID_BYTES))
}

/** What every event of a call gets as its `meta`. */
function metaOf(path: string, { meta, topics }: Pick<AppendOptions, 'meta' | 'topics'>): EventMeta | undefined {
  const checked = checkMeta(`${path}meta`, meta)
  return topics === undefined ? checked : { ...checked, topics: checkTopics(`${path}topics`, topics) }
}

function checkMeta(argument: string, value: unknown): EventMeta | undefined {
  if (value === undefined) return undefined
  const meta = membersOf(checkData(argument, value), argument)
  for (const name of ['correlationId', 'causationId']) {
    if (meta[name] !== undefined) checkText(`${argument}.${name}`, meta[name])
  }
  return toJson(meta, argument) as EventMeta
}

/** Adds the metadata of the call to an event. Members of the event's own `meta` have precedence. */
function withMeta(path: string, event: unknown, meta: EventMeta | undefined): unknown {
  if (meta === undefined) return event
  const given = membersOf(checkData(path, event), path)
  if (given.meta === undefined) return { ...given, meta }
  return { ...given, meta: { ...meta, ...membersOf(checkData(`${path}.meta`, given.meta), `${path}.meta`) } }
}
