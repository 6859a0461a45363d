import { getCurrentInstance, getCurrentScope, onMounted, onScopeDispose, ref, shallowRef, toValue, watch } from 'vue'
import type { MaybeRefOrGetter, Ref, ShallowRef } from 'vue'
import type { EventRecord } from '../core/shared/event'
import type { Members } from '../core/shared/types'
import { createEventConnection } from './eventConnection'
import type { EventConnectionStatus } from './eventConnection'

export interface EventStreamOptions<Event> {
  /** Called for each event, in order; its result is ignored. */
  onEvent?: (event: Event) => unknown
  /** Maximum number of events in `events`, which keeps the latest. Default: 100. */
  keep?: number
  /** Send cookies to another origin. Default: false. They are always sent to the page's own origin. */
  withCredentials?: boolean
}

const EVENT_STREAM_OPTIONS: Members<EventStreamOptions<unknown>> = { onEvent: true, keep: true, withCredentials: true }

export interface EventStream<Event> {
  /** The latest events, oldest first. */
  events: Readonly<ShallowRef<readonly Event[]>>
  /** `closed` before the first connection and after `close()`; `connecting` also while it waits to reconnect. */
  status: Readonly<Ref<EventConnectionStatus>>
  /** Why the connection was lost; null while it is open. */
  error: Readonly<Ref<Error | null>>
  /** Id of the last event that was received: it continues from there after a reconnect. */
  lastEventId: Readonly<Ref<string | null>>
  /** Closes the connection. Called automatically when the component's scope is disposed. */
  close(): void
  /** Connects again after `close()`, and continues after the last event. */
  open(): void
}

/**
 * Receives the events that a server route sends with `sendEvents`. Connects when the component is mounted (never on the
 * server). When the connection is lost, it reconnects with growing pauses and continues after the last event. When
 * `url` changes, it starts again with an empty list; while `url` is null or undefined, it does not connect.
 * @throws TypeError for an unknown option
 * @example
 * const { events, status } = useEventStream('/api/orders/live')
 */
export function useEventStream<Event = EventRecord>(
  url: MaybeRefOrGetter<string | null | undefined>, options: EventStreamOptions<Event> = {},
): EventStream<Event> {
  const events = shallowRef<readonly Event[]>([])
  const status = ref<EventConnectionStatus>('closed')
  const error = ref<Error | null>(null)
  const lastEventId = ref<string | null>(null)
  checkNames(options)
  const { keep = 100, onEvent, withCredentials = false } = options

  const connection = createEventConnection({
    connect: address => new EventSource(address, { withCredentials }),
    onStatus(now, reason) {
      status.value = now
      error.value = reason
    },
    onMessage({ data, id }) {
      const event = JSON.parse(data) as Event
      events.value = [...events.value, event].slice(-keep)
      lastEventId.value = id
      onEvent?.(event)
    },
  })

  function start(): void {
    watch(() => toValue(url), (address) => {
      events.value = []
      lastEventId.value = null
      connection.follow(address ?? null)
    }, { immediate: true })
  }

  // Not on the server: a page is rendered once and can't be updated by events.
  if (import.meta.client) {
    if (getCurrentInstance()) onMounted(start)
    else start()
    if (getCurrentScope()) onScopeDispose(connection.close)
  }
  return { events, status, error, lastEventId, close: connection.close, open: connection.open }
}

/** A mistyped name would be ignored. Not `checkOptions`: the checks of the store stay out of the browser's bundle. */
function checkNames(options: object): void {
  const unknown = Object.keys(options).find(name => !Object.hasOwn(EVENT_STREAM_OPTIONS, name))
  if (unknown === undefined) return
  throw new TypeError(`useEventStream has no option ${JSON.stringify(unknown)}: there are ${Object.keys(EVENT_STREAM_OPTIONS).join(', ')}`)
}
