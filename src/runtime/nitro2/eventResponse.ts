import { once } from 'node:events'
import { sendStream, setResponseHeaders } from 'h3'
import type { H3Event } from 'h3'
import { endedWithServer } from '../server/shutdown'

export interface EventResponse {
  /** Aborted when the client has disconnected or the server is stopping. */
  signal: AbortSignal
  /** Resolves when the client can receive more; rejects when it has disconnected. */
  write(text: string): Promise<void>
  /** Sends a comment, unless a write is in progress. */
  beat(): void
  end(): void
  /** Resolves when the response is complete; at once on platforms that send it after the handler has returned. */
  sent: Promise<void>
}

/**
 * Starts a response of server-sent events. h3's own event stream is not used: it can't send comments and has no
 * backpressure, so that a slow client would fill the memory.
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
      // A slow client must not delay the shutdown of the server: it reconnects and gets the rest.
      if (res.writableNeedDrain) res.destroy()
      abort()
      writer.close().catch(abort)
    },
    sent: sendStream(event, readable),
  }
}
