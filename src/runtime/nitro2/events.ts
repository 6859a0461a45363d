import { createError, getQuery, getRequestHeader } from 'h3'
import type { H3Event } from 'h3'
import { checkMilliseconds, checkOptions } from '../core/shared/checks'
import { invalidValue, messageOf } from '../core/shared/errors'
import { isGlob } from '../core/shared/glob'
import type { EventRecord } from '../core/shared/event'
import type { StreamApi } from '../core/types'
import type { Members } from '../core/shared/types'
import { logger } from '../server/announce'
import { openEventResponse } from './eventResponse'
import { useStore } from './store'

/** Where to start: after the newest event, at the first one, or after an event id. */
export type StartOf = 'now' | 'start' | (string & {})

export interface SendEventsOptions {
  /**
   * Where a new client starts: `now`, `start`, or after an event id. A client that reconnects (`Last-Event-ID`, or
   * `?lastEventId=`) always continues after the last event it has received.
   * @default 'now'
   */
  from?: StartOf
  /** Returns what to send for an event, or a promise of it; `undefined`: nothing. Default: the whole event. */
  map?: (event: EventRecord) => unknown
  /**
   * How often a comment is sent, in milliseconds, so that no proxy closes the connection as idle.
   * @default 15000
   */
  heartbeat?: number
}

const SEND_EVENTS_OPTIONS: Members<SendEventsOptions> = { from: true, map: true, heartbeat: true }

const RETRY_MS = 2_000

/**
 * Responds with the events of a subject as server-sent events: with the stored ones after `from`, then with new ones.
 * `id:` is the event's id: a client that reconnects continues after it, with no event missing or repeated. Ends when
 * the client disconnects, and when the server stops. Globs are refused, as a part of `subject` often comes from the
 * client: with a `*` it could read the events of others.
 * @throws {H3Error} 400 when the client's last event id or `from` is not an event id, or the subject is a glob
 * @throws {StoreError} when the store can't be read
 * @example
 * export default defineEventHandler(event => sendEvents(event, `orders:${getRouterParam(event, 'id')}`))
 */
export async function sendEvents(event: H3Event, subject: string, options: SendEventsOptions = {}): Promise<void> {
  const { stream } = useStore()
  if (isGlob(subject)) throw createError({ statusCode: 400, message: 'The subject must be one subject: it holds * or ?.' })
  const { from = 'now', map = (record: EventRecord) => record as unknown, heartbeat = 15_000 } = checkOptions('options', options, SEND_EVENTS_OPTIONS)
  checkMilliseconds('options.heartbeat', heartbeat, 1)
  // Before the response starts: an error here still sets its status.
  const after = await positionOf(stream, subject, lastEventId(event) ?? from)
  const response = openEventResponse(event)

  const run = async () => {
    const heart = setInterval(() => response.beat(), heartbeat)
    try {
      await response.write(`retry: ${RETRY_MS}\nevent: ready\nid: ${after}\ndata: ${after}\n\n`)
      for await (const { event: record } of stream.subscribe(subject, { from: after, signal: response.signal })) {
        const message = await messageFor(record, map)
        if (message !== undefined) await response.write(message)
      }
    }
    catch (error) {
      // The client reconnects by itself. That it has disconnected is no failure.
      if (!response.signal.aborted) logger.warn(`sendEvents has failed: ${messageOf(error)}`)
    }
    finally {
      clearInterval(heart)
      response.end()
    }
  }
  void run()
  return response.sent
}

/** The message for an event. For one that can't be sent only its id, so that the client continues after it. */
async function messageFor(record: EventRecord, map: (record: EventRecord) => unknown): Promise<string | undefined> {
  try {
    const sent = await map(record)
    if (sent === undefined) return undefined
    const data = JSON.stringify(sent) as string | undefined
    if (data === undefined) throw invalidValue('map', `gave a ${typeof sent}, which JSON can't hold`)
    return `id: ${record.id}\ndata: ${data}\n\n`
  }
  catch (error) {
    logger.error(`event ${record.id} is left out of the events that are sent: ${messageOf(error)}`)
    return `id: ${record.id}\n\n`
  }
}

function lastEventId(event: H3Event): string | undefined {
  const given = getRequestHeader(event, 'last-event-id') || [getQuery(event).lastEventId].flat().at(-1)
  if (given === undefined || given === '') return undefined
  return checkId('The last event id', given)
}

function checkId(what: string, given: unknown): string {
  const id = String(given)
  if (!/^\d{1,19}$/.test(id)) throw createError({ statusCode: 400, message: `${what} must be the id of an event, a decimal number.` })
  return id
}

/** The event id after which `from` starts. It is fixed before the subscription starts, so that no event is missed. */
async function positionOf(stream: StreamApi, subject: string, from: StartOf): Promise<string> {
  if (from === 'now') return (await stream.read(subject, { order: 'desc', limit: 1 }))[0]?.id ?? '0'
  const position = from === 'start' ? '0' : checkId('`from`, if it is neither now nor start,', from)
  await stream.read(subject, { after: position, limit: 1 })
  return position
}
