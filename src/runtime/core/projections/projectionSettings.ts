import { MAX_CONSUMER_BYTES, atLeastOne, checkConsumer } from '../consumers/settings'
import type { ConsumerSettings } from '../consumers/settings'
import type { ConsumedEvent } from '../consumers/types'
import { checkFunction, checkName, checkOptions, checkWord } from '../shared/checks'
import { invalidValue } from '../shared/errors'
import { toJson } from '../shared/json'
import { checkFields } from './declaredFields'
import type { DeclaredFields } from './declaredFields'
import type { InlineFilter } from './inlineFilter'
import { PROJECT_OPTIONS } from './types'
import type { ProjectOptions } from './types'

// With what the names of consumers have before and behind it.
const MAX_PROJECTION_BYTES = MAX_CONSUMER_BYTES - 40
const BATCH = 500
const BUILD_CONCURRENCY = 2

/** A projection as it is given, checked. Its states are of any type here. */
export type AnyProjectOptions = ProjectOptions<unknown, never>

export interface ProjectionSettings extends Pick<AnyProjectOptions, 'handleBatch' | 'prepare' | 'sideEffects'> {
  name: string
  version: number
  mode: 'async' | 'inline'
  /** By what its states are found; null: by nothing. */
  declared: DeclaredFields | null
  /** Which events it handles. */
  filter: InlineFilter
  /** The key of an event; undefined: it belongs to no state. */
  keyOf(event: ConsumedEvent): string | undefined
  /** Its key is not the subject: events of several subjects belong to one state. */
  isShared: boolean
  /** The state of a key before its first event. */
  initial(key: string): unknown
  handle: ((...given: unknown[]) => unknown) | undefined
  buildConcurrency: number
  /** How its events are read and tried. */
  consumer: ConsumerSettings
}

/**
 * Checks what a projection is given and fills in the defaults.
 * @throws {StoreError} INVALID_VALUE that names the option
 */
export function checkProjection(given: AnyProjectOptions): ProjectionSettings {
  const { name: givenName, version = 1, mode = 'async', key, init, handle, handleBatch, prepare, sideEffects, fields, sortBy, buildConcurrency = BUILD_CONCURRENCY, batchSize = BATCH, order, ...flow }
    = checkOptions('options', given, PROJECT_OPTIONS as Record<keyof AnyProjectOptions, true>)
  const name = checkProjectionName('options.name', givenName)
  if ((handle === undefined) === (handleBatch === undefined)) throw invalidValue('options.handle', 'must be given, or handleBatch instead of it')
  checkFunction(handle ? 'options.handle' : 'options.handleBatch', handle ?? handleBatch)
  for (const [option, value] of Object.entries({ key, prepare, sideEffects })) if (value !== undefined) checkFunction(`options.${option}`, value)
  // The order in which events of several subjects come to one state is that of the log, unless the caller does not mind.
  const consumer = checkConsumer({ ...flow, name, batchSize, order: order ?? (key ? 'global' : 'subject'), handler: () => undefined })
  return {
    name,
    version: checkVersion('options.version', version),
    mode: checkWord('options.mode', mode, ['async', 'inline']),
    declared: checkFields(fields, sortBy),
    filter: [consumer.subjects ?? null, consumer.types ?? null, consumer.topics ?? null],
    keyOf: keyOf(key),
    isShared: key !== undefined,
    initial: initialOf(init),
    handle: handle as ProjectionSettings['handle'],
    handleBatch, prepare, sideEffects,
    buildConcurrency: atLeastOne('options.buildConcurrency', buildConcurrency),
    consumer,
  }
}

/** A name whose consumers can't be those of another projection. */
export function checkProjectionName(argument: string, value: unknown): string {
  const name = checkName(argument, value, MAX_PROJECTION_BYTES)
  if (/:\d+$/.test(name)) throw invalidValue(argument, 'must not end with a colon and a number: the builds of a projection are numbered like that')
  return name
}

export const checkVersion = (argument: string, value: unknown): number => atLeastOne(argument, value)

function keyOf(key: AnyProjectOptions['key']): ProjectionSettings['keyOf'] {
  if (!key) return event => event.subject
  return (event) => {
    const found = key(event)
    return found === null || found === undefined ? undefined : checkName('the result of key', found)
  }
}

/** Each key has a copy of its own, which a handler may change. */
function initialOf(init: unknown): ProjectionSettings['initial'] {
  if (typeof init === 'function') return key => (init as (key: string) => unknown)(key)
  if (init === undefined || init === null) return () => null
  const json = toJson(init, 'options.init')
  return () => structuredClone(json)
}
