import type { SubscribeOptions, StreamSubscription } from '../log/types'
import type { EventRecord } from '../shared/event'
import type { Members } from '../shared/types'
import type { AppendOptions, AppendManyOptions } from '../stream/append/types'
import type { StreamReadOptions, IterateOptions } from '../stream/types'

/** What zod, valibot, arktype and others implement: https://standardschema.dev. The store needs this much of it. */
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

/** The schema of an event's `data`; a bare one is version 1. */
export type EventSchema = StandardSchema | VersionedSchema

export interface VersionedSchema {
  /** A whole number from 1 on; raise it when older events do not fit the new schema, and add an upcast. */
  readonly version: number
  readonly schema: StandardSchema
}

export const VERSIONED_SCHEMA: Members<VersionedSchema> = { version: true, schema: true }

/** Event type → schema of its `data`. */
export type EventSchemas = Readonly<Record<string, EventSchema>>

/** Turns the `data` of one version into that of the next. */
export type Upcast<Data = unknown> = (data: Data, event: EventRecord) => unknown

export interface EventCodec<Schemas extends EventSchemas = EventSchemas> {
  readonly schemas: Schemas
  readonly upcasts: Readonly<Record<string, Readonly<Record<number, Upcast>>>>
  /**
   * The same codec with one more step: how `data` of `fromVersion` becomes that of the version after it. An event
   * takes all steps from its own version to the current one when it is read; what is stored stays as it is.
   * @throws {StoreError} INVALID_VALUE for an unknown type, a version that is not an older one, or a step given twice
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

/** `data` may be left out where its schema takes `undefined`. */
type WithData<Data> = undefined extends Data ? { data?: Data } : { data: Data }

/** An event to append: `data` is what its schema takes. Other fields are kept as they are, unchecked. */
export type TypedEventInput<Schemas extends EventSchemas, Type extends EventTypeOf<Schemas> = EventTypeOf<Schemas>> = {
  [Each in Type]: OtherFields & { type: Each } & WithData<InputOf<Schemas[Each]>>
}[Type]

/** An event as it is read: `data` is what its schema gives; `schemaVersion` says what it was written with, unless that is 1. */
export type TypedEvent<Schemas extends EventSchemas, Type extends EventTypeOf<Schemas> = EventTypeOf<Schemas>> = {
  [Each in Type]: OtherFields & { id: string, ts: number, type: Each, schemaVersion?: number } & WithData<OutputOf<Schemas[Each]>>
}[Type]

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
   * What a read or a subscription does about an event whose type the codec does not know: `error` rejects with
   * INVALID_VALUE, `skip` leaves it out (of a read it is never fetched, so that `limit` counts known events).
   * Default: `error`.
   */
  unknown?: 'error' | 'skip'
}

export const TYPED_STREAM_OPTIONS: Members<TypedStreamOptions> = { unknown: true }

export interface TypedReadOptions<Type extends string> extends Omit<StreamReadOptions, 'types'> {
  /** Only events of these types. */
  types?: Type[]
}

/** The events of a stream with the types of a codec. Every call means what the one of the stream itself means. */
export interface TypedStream<Schemas extends EventSchemas> {
  /**
   * Appends one event whose `data` its schema accepts.
   * @throws {StoreError} INVALID_VALUE that names the event's type, its version and the path that was refused
   */
  append<Type extends EventTypeOf<Schemas>>(
    subject: string, event: TypedEventInput<Schemas, Type>, options?: AppendOptions,
  ): Promise<TypedEvent<Schemas, Type>>
  /** Appends several events, all or none. */
  appendMany(
    subject: string, events: TypedEventInput<Schemas>[], options?: AppendManyOptions,
  ): Promise<TypedEvent<Schemas>[]>
  /**
   * Reads events, upcast and parsed.
   * @throws {StoreError} INVALID_VALUE that names the event's id, type and version, and the path that was refused
   */
  read<Type extends EventTypeOf<Schemas> = EventTypeOf<Schemas>>(
    subject: string, options?: TypedReadOptions<Type>,
  ): Promise<TypedEvent<Schemas, Type>[]>
  /** The same, page by page in constant memory. */
  iterate<Type extends EventTypeOf<Schemas> = EventTypeOf<Schemas>>(
    subject: string, options?: TypedReadOptions<Type> & Pick<IterateOptions, 'pageSize'>,
  ): AsyncIterable<TypedEvent<Schemas, Type>>
  /** Follows a subject; an event that can't be read ends the subscription, and `onError` hears why. */
  subscribe(
    subject: string, onEvent: (event: TypedEvent<Schemas>) => unknown, options?: SubscribeOptions,
  ): Promise<StreamSubscription>
}

/** Views of streams with the types of a codec. */
export interface TypedViews {
  /**
   * The same streams with the types of a codec: `data` is checked by its schema when it is written and when it is
   * read, and comes back as the schema gives it (docs/typed-streams.md).
   * @throws {StoreError} INVALID_VALUE when a schema is none, or a version no whole number from 1 on
   * @example
   * const orders = store.stream.of({ 'order.placed': z.object({ total: z.number() }) })
   * await orders.append('orders:42', { type: 'order.placed', data: { total: 99 } })
   */
  of<const Schemas extends EventSchemas>(codec: EventCodec<Schemas> | Schemas, options?: TypedStreamOptions): TypedStream<Schemas>
}
