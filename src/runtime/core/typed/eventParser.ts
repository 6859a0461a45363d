import { invalidValue } from '../shared/errors'
import type { EventRecord } from '../shared/event'
import { checkTypes } from '../stream/read/range'
import { entriesOf, isSchema } from './codec'
import type { Eventual } from './parse'
import { decode, decodeAs } from './typedEvents'
import type { EventCodec, EventSchemas, EventWithData, StandardSchema, TypedEvent } from './types'

/** The schemas of `data` by event type, a codec, or one schema for the events of all types. */
export type HandledSchema = EventSchemas | EventCodec | StandardSchema

/** An event as its schema types it. */
export type EventOf<Schema>
  = Schema extends EventCodec<infer Schemas> ? TypedEvent<Schemas>
    : Schema extends StandardSchema ? EventWithData<Schema>
      : Schema extends EventSchemas ? TypedEvent<Schema> : EventRecord

export interface EventParser {
  /** Those that are to be read; undefined: all. */
  types: string[] | undefined
  /** Checks the data of an event. Whatever is in it beside its data stays there. */
  parse<Event extends EventRecord>(event: Event): Eventual<Event>
}

/** @throws {StoreError} INVALID_VALUE for schemas that are none, and for types without one */
export function createEventParser(schema: unknown, types: string[] | undefined): EventParser {
  if (isSchema(schema)) return { types, parse: <Event extends EventRecord>(event: Event) => decodeAs(schema, event) as Eventual<Event> }
  const entries = entriesOf(schema as EventSchemas)
  // Without a type nothing would be left to read, and an empty list of types means all of them.
  if (entries.size === 0) throw invalidValue('options.schema', 'must have at least one event type')
  const chosen = checkTypes('options.types', types)
  chosen?.forEach((type, at) => {
    if (!entries.has(type)) throw invalidValue(`options.types.${at}`, `${JSON.stringify(type)} has no schema: add it to options.schema (${[...entries.keys()].join(', ')})`)
  })
  return { types: chosen ?? [...entries.keys()], parse: <Event extends EventRecord>(event: Event) => decode(entries, event) as Eventual<Event> }
}
