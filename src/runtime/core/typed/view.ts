import { checkArray, checkFunction, checkOptions, checkWord } from '../shared/checks'
import type { EventCodec, EventSchemas, TypedStream, TypedStreamOptions, TypedViews } from './types'
import type { EventRecord } from '../shared/event'
import type { StreamReadOptions, StreamOperations } from '../stream/types'
import type { LogOperations } from '../log/types'
import { ITERATE_OPTIONS } from '../stream/types'
import { TYPED_STREAM_OPTIONS } from './types'
import { entriesOf } from './codec'
import { decode, encode } from './typedEvents'
import { chain, inOrder } from './parse'

type Untyped = StreamOperations & Partial<Pick<LogOperations, 'subscribe'>>

type TypedCalls = Omit<TypedStream<EventSchemas>, 'subscribe'> & Partial<Pick<TypedStream<EventSchemas>, 'subscribe'>>

/** The stream API with the method `of`. */
export function withTypedViews<Calls extends Untyped>(stream: Calls): Calls & TypedViews {
  return { ...stream, of: (codec: EventSchemas | EventCodec, options?: TypedStreamOptions) => typedView(stream, codec, options) as never }
}

/**
 * Wraps each call of the stream API: events are written through `encode` and read through `decode`, subjects and
 * options are passed on unchanged. The view has `subscribe` only where the stream has it (not in a transaction).
 */
function typedView(stream: Untyped, codec: EventSchemas | EventCodec, given?: TypedStreamOptions): TypedCalls {
  const entries = entriesOf(codec)
  const { unknown = 'error' } = checkOptions('options', given, TYPED_STREAM_OPTIONS)
  const skips = checkWord('options.unknown', unknown, ['error', 'skip']) === 'skip'

  const one = (event: unknown) => encode(entries, event, 'event')
  const many = (events: unknown) => inOrder(checkArray('events', events), (event, at) => encode(entries, event, `events.${at}`))
  const parsed = (event: EventRecord) => decode(entries, event)
  const parsedAll = (events: EventRecord[]) => inOrder(events, parsed)
  async function* parsedEach(events: AsyncIterable<EventRecord>) {
    for await (const event of events) yield await parsed(event)
  }
  // Filtered in the query, so that `limit` counts known events.
  const known = (options?: StreamReadOptions) => {
    if (!skips) return options
    const checked = checkOptions('options', options, ITERATE_OPTIONS)
    if (checked.types?.length) return checked
    // An empty list of types would mean no filter, but a codec without types must read nothing.
    return { ...checked, ...entries.size > 0 ? { types: [...entries.keys()] } : { limit: 0 } }
  }

  const calls: Omit<TypedStream<EventSchemas>, 'subscribe'> = {
    append: async (subject, event, ...rest) => parsed(await chain(one(event), input => stream.append(subject, input, ...rest))) as never,
    appendMany: async (subject, events, ...rest) => parsedAll(await chain(many(events), inputs => stream.appendMany(subject, inputs, ...rest))),
    iterate: (subject, options) => parsedEach(stream.iterate(subject, known(options))) as never,
    read: async (subject, options) => parsedAll(await stream.read(subject, known(options))) as never,
  }
  const { subscribe } = stream
  if (!subscribe) return calls
  return {
    ...calls,
    subscribe: async (subject, onEvent, ...rest) => {
      checkFunction('onEvent', onEvent)
      return subscribe(subject, async (event) => {
        if (!skips || entries.has(event.type)) await onEvent(await parsed(event))
      }, ...rest)
    },
  }
}
