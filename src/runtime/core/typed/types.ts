import type { SubscribeOptions, StreamSubscription } from '../log/types'
import type { EventRecord } from '../shared/event'
import type { Members } from '../shared/types'
import type { AppendOptions, AppendManyOptions } from '../stream/append/types'
import type { StreamReadOptions, IterateOptions } from '../stream/types'

/** The part of Standard Schema (https://standardschema.dev) that the store uses. zod, valibot and arktype implement it. */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>
    readonly types?: { readonly input: Input, readonly output: Output } | undefined
  }
}

export type StandardResult<Output>
  = | { readonly value: Output, readonly issues?: undefined }
    | { readonly issues: readonly StandardIssue[] }

export interface StandardIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** The schema of an event's `data`; a schema without a version is version 1. */
export type EventSchema = StandardSchema | VersionedSchema

export interface VersionedSchema {
  /** An integer of at least 1. Increment it when the new schema refuses older events, and add an upcast. */
  readonly version: number
  readonly schema: StandardSchema
}

export const VERSIONED_SCHEMA: Members<VersionedSchema> = { version: true, schema: true }

/** Event type → schema of its `data`. */
export type EventSchemas = Readonly<Record<string, EventSchema>>

/** Converts the `data` of one version into that of the next. */
export type Upcast<Data = unknown> = (data: Data, event: EventRecord) => unknown

export interface EventCodec<Schemas extends EventSchemas = EventSchemas> {
  readonly schemas: Schemas
  readonly upcasts: Readonly<Record<string, Readonly<Record<number, Upcast>>>>
  /**
   * Returns a codec with one more upcast, which converts `data` of `fromVersion` to the version after it. When an event
   * is read, all upcasts from its own version to the current one are applied; the stored event does not change.
   * @throws {StoreError} INVALID_VALUE for an unknown type, a version that is not older than the current one, or a
   *   version that already has an upcast
   */
  upcast<Type extends EventTypeOf<Schemas>, Data>(
    type: Type, fromVersion: number, upgrade: Upcast<Data>,
  ): EventCodec<Schemas>
}

export type EventTypeOf<Schemas extends EventSchemas> = keyof Schemas & string

type SchemaOf<Each extends EventSchema> = Each extends { readonly schema: infer Schema } ? Schema : Each

type TypesOf<Schema> = Schema extends { readonly '~standard': { readonly types?: infer Types } } ? NonNullable<Types> : never

type InputOf<Each extends EventSchema> = TypesOf<SchemaOf<Each>> extends { readonly input: infer Input } ? Input : never

type OutputOf<Each extends EventSchema> = TypesOf<SchemaOf<Each>> extends { readonly output: infer Output } ? Output : never

/** `data` is optional where its schema accepts `undefined`. */
type WithData<Data> = undefined extends Data ? { data?: Data } : { data: Data }

/** An event to append: `data` is the input of its schema. Other fields are stored unchecked. */
export type TypedEventInput<Schemas extends EventSchemas, Type extends EventTypeOf<Schemas> = EventTypeOf<Schemas>> = {
  [Each in Type]: OtherFields & { type: Each } & WithData<InputOf<Schemas[Each]>>
}[Type]

/** An event as it is read: `data` is the output of its schema, `schemaVersion` the version it was written with (absent: 1). */
export type TypedEvent<Schemas extends EventSchemas, Type extends EventTypeOf<Schemas> = EventTypeOf<Schemas>> = {
  [Each in Type]: OtherFields & { id: string, ts: number, type: Each, schemaVersion?: number } & WithData<OutputOf<Schemas[Each]>>
}[Type]

/** An event of any type whose `data` is the output of one schema. */
export type EventWithData<Schema extends StandardSchema> = OtherFields & { id: string, ts: number, type: string, schemaVersion?: number } & WithData<OutputOf<Schema>>

interface OtherFields {
  runId?: string
  flowName?: string
  stepName?: string
  stepId?: string
  attempt?: number
  [field: string]: unknown
}

export interface TypedStreamOptions {
  /**
   * What a read or a subscription does with an event whose type the codec does not contain: `error` rejects with
   * INVALID_VALUE, `skip` leaves it out (a read filters in the query, so `limit` counts known events).
   * Default: `error`.
   */
  unknown?: 'error' | 'skip'
}

export const TYPED_STREAM_OPTIONS: Members<TypedStreamOptions> = { unknown: true }

export interface TypedReadOptions<Type extends string> extends Omit<StreamReadOptions, 'types'> {
  /** Only events of these types. */
  types?: Type[]
}

/** The calls of `store.stream` with the types of a codec. Subjects and options mean the same. */
export interface TypedStream<Schemas extends EventSchemas> {
  /**
   * Appends one event; its schema must accept `data`.
   * @throws {StoreError} INVALID_VALUE with the event's type, its version and the path that the schema refused;
   *   VERSION_CONFLICT as `append` of the untyped stream
   */
  append<Type extends EventTypeOf<Schemas>>(
    subject: string, event: TypedEventInput<Schemas, Type>, options?: AppendOptions,
  ): Promise<TypedEvent<Schemas, Type>>
  /** Appends several events, all or none; throws the same errors as `append`. */
  appendMany(
    subject: string, events: TypedEventInput<Schemas>[], options?: AppendManyOptions,
  ): Promise<TypedEvent<Schemas>[]>
  /**
   * Reads events, upcast and parsed.
   * @throws {StoreError} INVALID_VALUE with the event's id, type and version, and the path that the schema refused
   */
  read<Type extends EventTypeOf<Schemas> = EventTypeOf<Schemas>>(
    subject: string, options?: TypedReadOptions<Type>,
  ): Promise<TypedEvent<Schemas, Type>[]>
  /** Reads the same events page by page, in constant memory. */
  iterate<Type extends EventTypeOf<Schemas> = EventTypeOf<Schemas>>(
    subject: string, options?: TypedReadOptions<Type> & Pick<IterateOptions, 'pageSize'>,
  ): AsyncIterable<TypedEvent<Schemas, Type>>
  /** Subscribes to a subject. An event that can't be upcast or parsed ends the subscription; `onError` gets the error. */
  subscribe(
    subject: string, onEvent: (event: TypedEvent<Schemas>) => unknown, options?: SubscribeOptions,
  ): Promise<StreamSubscription>
}

/** Views of streams with the types of a codec. */
export interface TypedViews {
  /**
   * The same streams with the types of a codec: `data` is checked by its schema when it is written and when it is
   * read, and returned as the output of the schema (docs/typed-streams.md).
   * @throws {StoreError} INVALID_VALUE when a value is not a schema, or a version is not an integer of at least 1
   * @example
   * const orders = store.stream.of({ 'order.placed': z.object({ total: z.number() }) })
   * await orders.append('orders:42', { type: 'order.placed', data: { total: 99 } })
   */
  of<const Schemas extends EventSchemas>(codec: EventCodec<Schemas> | Schemas, options?: TypedStreamOptions): TypedStream<Schemas>
}
