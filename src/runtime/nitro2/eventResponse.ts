import { once } from 'node:events'
import { sendStream, setResponseHeaders } from 'h3'
import type { H3Event } from 'h3'
import { endedWithServer } from '../server/ending'

export interface EventResponse {
  /** Aborted when the client has gone or the server is asked to stop. */
  signal: AbortSignal
  /** Resolves when the client takes more; rejects when it has gone. */
  write(text: string): Promise<void>
  /** A comment, unless the client is busy with what it has. */
  beat(): void
  end(): void
  /** Resolves when the answer is complete; at once where the platform sends it after the handler. */
  sent: Promise<void>
}

/**
 * Begins an answer of server-sent events. h3's own event stream has no comments and never waits for the socket, so
 * that a slow client would fill the memory.
 */
export function openEventResponse(event: H3Event): EventResponse {
  const { res } = event.node
  const { controller, leave } = endedWithServer()
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  const writer = writable.getWriter()
  const encoder = new TextEncoder()
  const abort = () => controller.abort()
  let busy = 0

  res.on('close', abort)
  writer.closed.catch(abort)
  setResponseHeaders(event, {
    'content-type': 'text/event-stream',
    'cache-control': 'private, no-cache, no-store, no-transform',
    'x-accel-buffering': 'no',
  })

  async function write(text: string): Promise<void> {
    controller.signal.throwIfAborted()
    busy++
    try {
      await writer.write(encoder.encode(text))
      if (res.writableNeedDrain) await once(res, 'drain', { signal: controller.signal })
    }
    finally {
      busy--
    }
  }

  return {
    signal: controller.signal,
    write,
    beat() {
      if (busy === 0) write(':\n\n').catch(abort)
    },
    end() {
      leave()
      res.off('close', abort)
      // A client that is behind would hold up a server that stops: it comes back for the rest.
      if (res.writableNeedDrain) res.destroy()
      abort()
      writer.close().catch(abort)
    },
    sent: sendStream(event, readable),
  }
}
