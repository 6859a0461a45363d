import { checkCount, checkFunction, checkMembers, checkName, checkText, checkWord } from '../shared/checks'
import { StoreError, invalidValue } from '../shared/errors'
import type { EventInput, EventRecord } from '../shared/event'
import { describe } from '../shared/given'
import { checkTopics } from '../shared/topics'
import { entriesOf, isVersion } from '../typed/codec'
import { inOrder } from '../typed/parse'
import type { Eventual } from '../typed/parse'
import { decode, encode } from '../typed/typedEvents'
import type { EventSchemas } from '../typed/types'
import { AGGREGATE_OPTIONS, SNAPSHOT_OPTIONS } from './types'
import type { AggregateOptions, Decision } from './types'

/** What an aggregate is, checked. Its events and states have the types of the caller, who alone knows them. */
export interface AggregateSettings {
  name: string
  topics: string[] | undefined
  subjectOf(id: unknown): { id: string, subject: string }
  initial(): unknown
  evolve(state: unknown, event: EventRecord): unknown
  decide: ((state: unknown, command: unknown) => Decision<EventSchemas> | Promise<Decision<EventSchemas>>) | undefined
  encode(events: readonly unknown[], path: string): Eventual<EventInput[]>
  /** Leaves out the events of unknown types where they are skipped. */
  decode(events: readonly EventRecord[]): Eventual<EventRecord[]>
  snapshot: SnapshotSettings | undefined
}

export interface SnapshotSettings {
  every: number
  schemaVersion: number
  upcast: ((state: unknown, schemaVersion: number) => unknown) | undefined
}

export function aggregateSettings(given: AggregateOptions<never, never, never>): AggregateSettings {
  const options = checkMembers('options', given, AGGREGATE_OPTIONS as never) as Partial<AggregateOptions<unknown, EventSchemas, unknown>>
  const name = checkName('options.name', options.name)
  const { subject = (id: string) => `${name}:${id}`, initial, decide, unknown = 'error' } = options
  if (!('initial' in options)) throw invalidValue('options.initial', 'is missing: give the state before the first event, or a function that makes it')
  for (const each of ['evolve', ...['subject', 'decide'].filter(each => options[each as 'decide'] !== undefined)] as const) checkFunction(`options.${each}`, options[each as 'decide'])
  if (typeof initial !== 'function') cloned(initial)
  return {
    name,
    topics: options.topics === undefined ? undefined : checkTopics('options.topics', options.topics),
    subjectOf: (id) => {
      const checked = checkText('id', id)
      return { id: checked, subject: checkName('the subject of the aggregate', subject(checked)) }
    },
    initial: typeof initial === 'function' ? initial as () => unknown : () => cloned(initial),
    evolve: options.evolve as AggregateSettings['evolve'],
    decide: decide as AggregateSettings['decide'],
    ...codecCalls(options.schema, checkWord('options.unknown', unknown, ['error', 'skip']) === 'skip'),
    snapshot: options.snapshot === undefined ? undefined : snapshotSettings(options.snapshot),
  }
}

function cloned(initial: unknown): unknown {
  try {
    return structuredClone(initial)
  }
  catch (cause) {
    throw invalidValue('options.initial', 'can\'t be copied for each aggregate: give a function that makes it', {}, cause)
  }
}

function codecCalls(schema: EventSchemas | AggregateOptions<unknown>['schema'], skips: boolean): Pick<AggregateSettings, 'encode' | 'decode'> {
  if (schema === undefined) return { encode: events => events as EventInput[], decode: events => events as EventRecord[] }
  const entries = entriesOf(schema as EventSchemas)
  return {
    encode: (events, path) => inOrder(events, (event, at) => encode(entries, event, `${path}.${at}`)),
    decode: events => inOrder(skips ? events.filter(({ type }) => entries.has(type)) : events, event => decode(entries, event)),
  }
}

function snapshotSettings(given: NonNullable<AggregateOptions<unknown>['snapshot']>): SnapshotSettings {
  const { every, schemaVersion = 1, upcast } = checkMembers('options.snapshot', given, SNAPSHOT_OPTIONS)
  if (checkCount('options.snapshot.every', every) === 0) throw invalidValue('options.snapshot.every', 'must be at least 1')
  if (!isVersion(schemaVersion)) throw invalidValue('options.snapshot.schemaVersion', `must be an integer of at least 1, not ${describe(schemaVersion)}`)
  if (upcast !== undefined) checkFunction('options.snapshot.upcast', upcast)
  return { every: every!, schemaVersion, upcast }
}

/** The events that a decision gave, as a list. */
export function decided(decision: unknown): unknown[] {
  if (decision === undefined || decision === null) return []
  return Array.isArray(decision) ? decision : [decision]
}

/** @throws {StoreError} INVALID_CALL for a command that nothing decides about */
export function deciderOf({ name, decide }: AggregateSettings, decision: unknown): (state: unknown) => unknown {
  if (typeof decision === 'function') return decision as (state: unknown) => unknown
  if (decide) return state => decide(state, decision)
  throw new StoreError('INVALID_CALL', `aggregate ${JSON.stringify(name)} has no \`decide\` for commands: give it as an option, or a function of the state to handle()`)
}
