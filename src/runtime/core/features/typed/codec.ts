import { checkFunction, checkObject, checkType } from '../../arguments'
import { invalidValue } from '../../errors'
import type { EventCodec, EventSchema, EventSchemas, StandardSchema, Upcast } from '../../types/index'

/** What a codec knows of one type. */
export interface TypeEntry {
  version: number
  schema: StandardSchema
  /** By the version they start from. */
  upcasts: Readonly<Record<number, Upcast>>
}

/**
 * Event types with the schemas of their `data`, to be used for many streams and transactions.
 * @throws {StoreError} INVALID_VALUE when a schema is none, or a version no whole number from 1 on
 * @example
 * const orders = eventCodec({ 'order.placed': { version: 2, schema: z.object({ cents: z.number() }) } })
 *   .upcast('order.placed', 1, (data: { total: number }) => ({ cents: data.total * 100 }))
 */
export function eventCodec<const Schemas extends EventSchemas>(schemas: Schemas): EventCodec<Schemas> {
  checkObject('codec', schemas)
  for (const type of Object.keys(schemas)) entryOf(checkType('the type of an event in codec', type), schemas[type]!, {})
  return makeCodec(schemas, {})
}

/** The entries of a codec, or of a plain object of schemas. */
export function entriesOf(codec: EventSchemas | EventCodec): ReadonlyMap<string, TypeEntry> {
  checkObject('codec', codec)
  const { schemas, upcasts } = isCodec(codec) ? codec : eventCodec(codec)
  return new Map(Object.keys(schemas).map(type => [type, entryOf(type, schemas[type]!, upcasts[type] ?? {})]))
}

// An object of schemas has two such event types only if somebody means to confuse us.
const isCodec = (codec: EventSchemas | EventCodec): codec is EventCodec => 'schemas' in codec && 'upcasts' in codec

function makeCodec<Schemas extends EventSchemas>(schemas: Schemas, upcasts: EventCodec['upcasts']): EventCodec<Schemas> {
  return {
    schemas,
    upcasts,
    upcast(type, fromVersion, upgrade) {
      checkFunction('upgrade', upgrade)
      if (!Object.hasOwn(schemas, type)) throw invalidValue('type', `${JSON.stringify(type)} is no event type of this codec`)
      const steps = upcasts[type] ?? {}
      const { version } = entryOf(type, schemas[type]!, steps)
      if (!isVersion(fromVersion) || fromVersion >= version) {
        throw invalidValue('fromVersion', `must be a version before ${version}, the current one of ${JSON.stringify(type)}, not ${String(fromVersion)}`)
      }
      if (fromVersion in steps) throw invalidValue('fromVersion', `${fromVersion} of ${JSON.stringify(type)} has an upcast already`)
      return makeCodec(schemas, { ...upcasts, [type]: { ...steps, [fromVersion]: upgrade as Upcast } })
    },
  }
}

function entryOf(type: string, given: EventSchema, upcasts: TypeEntry['upcasts']): TypeEntry {
  if (isSchema(given)) return { version: 1, schema: given, upcasts }
  const path = `codec[${JSON.stringify(type)}]`
  const { version, schema } = checkObject(path, given)
  if (!isVersion(version)) throw invalidValue(`${path}.version`, `must be a whole number of at least 1, not ${JSON.stringify(version)}`)
  if (!isSchema(schema)) throw invalidValue(`${path}.schema`, 'must be a schema of zod, valibot, arktype or another library with Standard Schema')
  return { version, schema, upcasts }
}

export const isVersion = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 1

/** Schemas are objects or functions, depending on the library. */
function isSchema(value: unknown): value is StandardSchema {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null || !('~standard' in value)) return false
  const standard = value['~standard']
  return typeof standard === 'object' && standard !== null && 'validate' in standard && typeof standard.validate === 'function'
}
