import { checkFunction, checkMembers, checkObject, checkType } from '../shared/checks'
import { invalidValue } from '../shared/errors'
import { membersOf, describe, readMember } from '../shared/given'
import type { EventCodec, EventSchemas, StandardSchema, Upcast } from './types'
import { VERSIONED_SCHEMA } from './types'

/** One event type of a codec. */
export interface TypeEntry {
  version: number
  schema: StandardSchema
  /** By the version they start from. */
  upcasts: Readonly<Record<number, Upcast>>
}

/**
 * Makes a codec: event types with the schemas of their `data`. It can be used for any number of streams and transactions.
 * @throws {StoreError} INVALID_VALUE when a value is not a schema, or a version is not an integer of at least 1
 * @example
 * const orders = eventCodec({ 'order.placed': { version: 2, schema: z.object({ cents: z.number() }) } })
 *   .upcast('order.placed', 1, (data: { total: number }) => ({ cents: data.total * 100 }))
 */
export function eventCodec<const Schemas extends EventSchemas>(schemas: Schemas): EventCodec<Schemas> {
  const given = membersOf(checkObject('codec', schemas), 'codec')
  for (const type of Object.keys(given)) entryOf(checkType('the type of an event in codec', type), given[type], {})
  return makeCodec(schemas, {})
}

/** The event types of a codec, or of a plain object of schemas. */
export function entriesOf(codec: EventSchemas | EventCodec): ReadonlyMap<string, TypeEntry> {
  const given = membersOf(checkObject('codec', codec), 'codec')
  const { schemas, upcasts } = isCodec(given) ? given : eventCodec(given as EventSchemas)
  return new Map(Object.keys(schemas).map(type => [type, entryOf(type, schemas[type], upcasts[type] ?? {})]))
}

// Not by `instanceof`: a bundle may contain this module twice.
const isCodec = (codec: object): codec is EventCodec => 'schemas' in codec && 'upcasts' in codec && 'upcast' in codec && typeof codec.upcast === 'function'

function makeCodec<Schemas extends EventSchemas>(schemas: Schemas, upcasts: EventCodec['upcasts']): EventCodec<Schemas> {
  return {
    schemas,
    upcasts,
    upcast(type, fromVersion, upgrade) {
      checkFunction('upgrade', upgrade)
      if (!Object.hasOwn(schemas, type)) throw invalidValue('type', `${describe(type)} is not an event type of this codec`)
      const steps = upcasts[type] ?? {}
      const { version } = entryOf(type, schemas[type]!, steps)
      if (!isVersion(fromVersion) || fromVersion >= version) {
        throw invalidValue('fromVersion', `must be a version before ${version}, the current one of ${JSON.stringify(type)}, not ${describe(fromVersion)}`)
      }
      if (fromVersion in steps) throw invalidValue('fromVersion', `${fromVersion} of ${JSON.stringify(type)} already has an upcast`)
      return makeCodec(schemas, { ...upcasts, [type]: { ...steps, [fromVersion]: upgrade as Upcast } })
    },
  }
}

function entryOf(type: string, given: unknown, upcasts: TypeEntry['upcasts']): TypeEntry {
  if (isSchema(given)) return { version: 1, schema: given, upcasts }
  const path = `codec[${JSON.stringify(type)}]`
  const { version, schema } = checkMembers(path, given, VERSIONED_SCHEMA)
  if (!isVersion(version)) throw invalidValue(`${path}.version`, `must be an integer of at least 1, not ${describe(version)}`)
  if (!isSchema(schema)) throw invalidValue(`${path}.schema`, 'must be a schema of zod, valibot, arktype or another library that implements Standard Schema')
  return { version, schema, upcasts }
}

export const isVersion = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 1

/** Schemas are objects or functions, depending on the library. */
export function isSchema(value: unknown): value is StandardSchema {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  const standard = readMember(value, '~standard', 'schema')
  return typeof standard === 'object' && standard !== null && typeof readMember(standard, 'validate', 'schema.~standard') === 'function'
}
