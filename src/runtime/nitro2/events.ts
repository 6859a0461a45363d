import { createError, getQuery, getRequestHeader } from 'h3'
import type { H3Event } from 'h3'
import { messageOf } from '../core/errors'
import type { EventRecord } from '../core/types/index'
import { follow, positionOf } from '../follow'
import type { StartOf } from '../follow'
import { logger } from '../logger'
import { openEventResponse } from './eventResponse'
import { useStore } from './store'

export interface SendEventsOptions {
  /**
   * Where a new client starts: `now`, `start`, or after an event id. One that comes back (`Last-Event-ID`, or
   * `?lastEventId=`) goes on after the last event it has seen, whatever is given here.
   * @default 'now'
   */
  from?: StartOf
  /** What is sent of an event; `undefined` leaves it out. Default: all of it. */
  map?: (event: EventRecord) => unknown
  /**
   * A comment is sent as often as this, in milliseconds, so that nobody on the way takes the line for dead.
   * @default 15000
   */
  heartbeat?: number
}

const RETRY_MS = 2_000

/**
 * Answers a request with the events of a subject, those that are there and new ones as they come, as server-sent
 * events. `id:` is the event's id: a client that comes back goes on after it, with no event missing or repeated. Ends
 * when the client goes, and when the server is asked to stop.
 * @throws an H3Error 400 when the client's last event id is none; a StoreError when the store can't be read
 * @example
 * export default defineEventHandler(event => sendEvents(event, `orders:${getRouterParam(event, 'id')}`))
 */
export async function sendEvents(event: H3Event, subject: string, options: SendEventsOptions = {}): Promise<void> {
  const { stream } = useStore()
  const { from = 'now', map = (record: EventRecord) => record as unknown, heartbeat = 15_000 } = options
  // Before the answer begins: what fails here still gets a status of its own.
  const after = await positionOf(stream, subject, lastEventId(event) ?? from)
  const response = openEventResponse(event)

  const run = async () => {
    const heart = setInterval(() => response.beat(), heartbeat)
    try {
      await response.write(`retry: ${RETRY_MS}\nevent: ready\nid: ${after}\ndata: ${after}\n\n`)
      await follow(stream, subject, {
        after,
        signal: response.signal,
        async onEvent(record) {
          const sent = map(record)
          if (sent !== undefined) await response.write(`id: ${record.id}\ndata: ${JSON.stringify(sent)}\n\n`)
        },
      })
    }
    catch (error) {
      // The client comes back by itself; that it has gone is no failure.
      if (!response.signal.aborted) logger.warn(`events of ${JSON.stringify(subject)} could not be sent on: ${messageOf(error)}`)
    }
    finally {
      clearInterval(heart)
      response.end()
    }
  }
  void run()
  return response.sent
}

function lastEventId(event: H3Event): string | undefined {
  const given = getRequestHeader(event, 'last-event-id') || [getQuery(event).lastEventId].flat().at(-1)
  if (given === undefined || given === '') return undefined
  const id = String(given)
  if (!/^\d{1,19}$/.test(id)) throw createError({ statusCode: 400, message: 'The last event id must be the id of an event, a decimal number.' })
  return id
}
