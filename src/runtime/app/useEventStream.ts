import { getCurrentInstance, getCurrentScope, onMounted, onScopeDispose, ref, shallowRef, toValue, watch } from 'vue'
import type { MaybeRefOrGetter, Ref, ShallowRef } from 'vue'
import type { EventRecord } from '../core/shared/event'
import type { Members } from '../core/shared/types'
import { createLine } from './line'
import type { LineStatus } from './line'

export interface EventStreamOptions<Event> {
  /** Called for each event, in order. */
  onEvent?: (event: Event) => unknown
  /** How many of the latest events `events` keeps. Default: 100. */
  keep?: number
  /** Send cookies to another origin. Default: false; the own origin gets them anyway. */
  withCredentials?: boolean
}

const EVENT_STREAM_OPTIONS: Members<EventStreamOptions<unknown>> = { onEvent: true, keep: true, withCredentials: true }

export interface EventStream<Event> {
  /** The latest events, oldest first. */
  events: Readonly<ShallowRef<readonly Event[]>>
  /** `closed` until it is opened and after `close()`; `connecting` also while it waits to connect again. */
  status: Readonly<Ref<LineStatus>>
  /** Why the line was lost; null while it is open. */
  error: Readonly<Ref<Error | null>>
  /** Id of the last event that came: where it goes on after a break. */
  lastEventId: Readonly<Ref<string | null>>
  /** Ends it. Happens by itself when the component goes. */
  close(): void
  /** Opens it again after `close()`, and goes on after the last event. */
  open(): void
}

/**
 * Follows what a server route sends with `sendEvents`. Connects when the component is mounted (never on the server),
 * connects again with growing pauses when the line is lost, also while the server is down, and goes on after the last
 * event. Another `url` starts anew; without one (`null`) it waits for one.
 * @example
 * const { events, status } = useEventStream('/api/orders/live')
 */
export function useEventStream<Event = EventRecord>(
  url: MaybeRefOrGetter<string | null | undefined>, options: EventStreamOptions<Event> = {},
): EventStream<Event> {
  const events = shallowRef<readonly Event[]>([])
  const status = ref<LineStatus>('closed')
  const error = ref<Error | null>(null)
  const lastEventId = ref<string | null>(null)
  checkNames(options)
  const { keep = 100, onEvent, withCredentials = false } = options

  const line = createLine({
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
      line.follow(address ?? null)
    }, { immediate: true })
  }

  // Nothing on the server: a page is rendered once and can't be told more.
  if (import.meta.client) {
    if (getCurrentInstance()) onMounted(start)
    else start()
    if (getCurrentScope()) onScopeDispose(line.close)
  }
  return { events, status, error, lastEventId, close: line.close, open: line.open }
}

/** A mistyped name would count for nothing. The checks of the store stay on the server. */
function checkNames(options: object): void {
  const unknown = Object.keys(options).find(name => !Object.hasOwn(EVENT_STREAM_OPTIONS, name))
  if (unknown === undefined) return
  throw new TypeError(`useEventStream has no option ${JSON.stringify(unknown)}: there are ${Object.keys(EVENT_STREAM_OPTIONS).join(', ')}`)
}
