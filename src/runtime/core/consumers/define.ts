import { checkMembers } from '../shared/checks'
import { definition } from '../shared/definition'
import type { Members } from '../shared/types'
import { createEventParser } from '../typed/eventParser'
import type { EventOf, HandledSchema } from '../typed/eventParser'
import { chain, inOrder } from '../typed/parse'
import type { ConsumeOptions, ConsumerContext } from './types'
import { CONSUME_OPTIONS } from './types'

export type ConsumerSchema = HandledSchema

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
  const { types, parse } = createEventParser(schema, given.types)
  const { handler, batchHandler } = given
  return {
    ...given, types,
    // What is no function is refused by `store.consume`.
    ...typeof handler === 'function' && { handler: (event, context) => chain(parse(event), typed => handler(typed, context)) },
    ...typeof batchHandler === 'function' && { batchHandler: (events, context) => chain(inOrder(events, parse), typed => batchHandler(typed, context)) },
  }
}
