import { checkMembers } from '../shared/checks'
import { definition } from '../shared/definition'
import { invalidValue } from '../shared/errors'
import type { EventRecord } from '../shared/event'
import type { Members } from '../shared/types'
import { checkTypes } from '../stream/read/range'
import { entriesOf, isSchema } from '../typed/codec'
import { chain, inOrder } from '../typed/parse'
import type { Eventual } from '../typed/parse'
import { decode, decodeAs } from '../typed/typedEvents'
import type { EventCodec, EventSchemas, EventWithData, StandardSchema, TypedEvent } from '../typed/types'
import type { ConsumeOptions, ConsumedEvent, ConsumerContext } from './types'
import { CONSUME_OPTIONS } from './types'

/** The schemas of `data` by event type, a codec, or one schema for the events of all types. */
export type ConsumerSchema = EventSchemas | EventCodec | StandardSchema

type EventOf<Schema>
  = Schema extends EventCodec<infer Schemas> ? TypedEvent<Schemas>
    : Schema extends StandardSchema ? EventWithData<Schema>
      : Schema extends EventSchemas ? TypedEvent<Schema> : EventRecord

/** An event as the handler of a consumer gets it: `data` is the output of its schema. */
export type TypedConsumedEvent<Schema> = EventOf<Schema> & { subject: string }

export interface ConsumerDefinitionOptions<Schema> extends Omit<ConsumeOptions, 'name' | 'types' | 'handler' | 'batchHandler'> {
  /** Default, in a file of its own: the name of the file. */
  name?: string
  /** An event whose `data` is refused fails as if the handler had thrown. Given by type, only events of these types are read. */
  schema?: Schema
  types?: EventOf<Schema>['type'][]
  /** Called for each event, in the order of its subject; may return `{ retry: { after } }` or `{ dead }`. */
  handler?: (event: TypedConsumedEvent<Schema>, context: ConsumerContext) => unknown
  /** Called for several events at once, instead of `handler`; may return a result for each. */
  batchHandler?: (events: TypedConsumedEvent<Schema>[], context: ConsumerContext) => unknown
}

/** What `store.consume` takes, but for the name, which may come from a file. */
export type ConsumerDefinition = Omit<ConsumeOptions, 'name'> & { name?: string }

const DEFINITION_OPTIONS: Members<ConsumerDefinitionOptions<ConsumerSchema>> = { ...CONSUME_OPTIONS, schema: true }

/**
 * Describes a consumer without starting it: the default export of a file in `server/consumers`, or options of
 * `store.consume`, which throws for an unknown option, or a schema that is none.
 * @example
 * export default defineConsumer({
 *   schema: { 'order.paid': z.object({ total: z.number() }) },
 *   handler: async (event, { tx }) => tx.kv.increment('revenue', event.data.total),
 * })
 */
export function defineConsumer<const Schema extends ConsumerSchema | undefined = undefined>(options: ConsumerDefinitionOptions<Schema>): ConsumerDefinition {
  return definition(() => withSchema(options))
}

function withSchema(options: object): ConsumerDefinition {
  const { schema, ...given } = checkMembers('options', options, DEFINITION_OPTIONS) as ConsumerDefinition & { schema?: unknown }
  if (schema === undefined) return given
  const { types, parse } = isSchema(schema) ? { types: given.types, parse: (event: EventRecord) => decodeAs(schema, event) } : byType(schema as EventSchemas, given.types)
  // Whatever is in an event beside its data stays there, the subject as well.
  const parsed = (event: ConsumedEvent) => parse(event) as Eventual<ConsumedEvent>
  const { handler, batchHandler } = given
  return {
    ...given, types,
    // What is no function is refused by `store.consume`.
    ...typeof handler === 'function' && { handler: (event, context) => chain(parsed(event), typed => handler(typed, context)) },
    ...typeof batchHandler === 'function' && { batchHandler: (events, context) => chain(inOrder(events, parsed), typed => batchHandler(typed, context)) },
  }
}

function byType(schemas: EventSchemas | EventCodec, given: string[] | undefined) {
  const entries = entriesOf(schemas)
  // Without a type nothing would be left to read, and an empty list of types means all of them.
  if (entries.size === 0) throw invalidValue('options.schema', 'must have at least one event type')
  const types = checkTypes('options.types', given)
  types?.forEach((type, at) => {
    if (!entries.has(type)) throw invalidValue(`options.types.${at}`, `${JSON.stringify(type)} has no schema: add it to options.schema (${[...entries.keys()].join(', ')})`)
  })
  return { types: types ?? [...entries.keys()], parse: (event: EventRecord) => decode(entries, event) }
}
