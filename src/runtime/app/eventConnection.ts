/** The part of the browser's EventSource that is used. */
export interface Source {
  addEventListener(type: 'open' | 'error', listener: () => void): void
  addEventListener(type: 'message' | 'ready', listener: (message: { data: string, lastEventId: string }) => void): void
  close(): void
}

export type EventConnectionStatus = 'connecting' | 'open' | 'closed'

export interface EventConnectionOptions {
  connect(url: string): Source
  onStatus(status: EventConnectionStatus, error: Error | null): void
  onMessage(message: { data: string, id: string }): void
}

export interface EventConnection {
  /** Connects to this address, without a last event id; null: disconnects. */
  follow(url: string | null): void
  open(): void
  close(): void
}

const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 30_000

/**
 * An EventSource that reconnects after the last event whenever the connection is lost. The browser does the same, but
 * not after a response like 502, which a proxy sends while the server behind it restarts.
 */
export function createEventConnection({ connect, onStatus, onMessage }: EventConnectionOptions): EventConnection {
  let address: string | null = null
  let lastId: string | null = null
  let failures = 0
  let source: Source | undefined
  let timer: ReturnType<typeof setTimeout> | undefined

  function disconnect(): void {
    clearTimeout(timer)
    source?.close()
    source = undefined
  }

  function openSource(): void {
    disconnect()
    if (address === null) return onStatus('closed', null)
    if (failures === 0) onStatus('connecting', null)
    const opened = connect(lastId === null ? address : withLastId(address, lastId))
    source = opened
    // A closed source may still dispatch an event: ignored.
    const current = <Args extends unknown[]>(handle: (...args: Args) => void) => (...args: Args) => {
      if (source === opened) handle(...args)
    }
    opened.addEventListener('open', current(() => onStatus('open', null)))
    // The position the server starts at, for a connection that is lost before its first event.
    opened.addEventListener('ready', current(({ lastEventId }) => {
      failures = 0
      lastId = lastEventId
    }))
    opened.addEventListener('message', current(({ data, lastEventId }) => {
      failures = 0
      lastId = lastEventId
      onMessage({ data, id: lastEventId })
    }))
    opened.addEventListener('error', current(() => {
      disconnect()
      const pause = pauseAfter(failures++)
      onStatus('connecting', new Error(`the event stream ${address} was lost; connecting again in ${Math.round(pause)} ms`))
      timer = setTimeout(openSource, pause)
    }))
  }

  return {
    follow(url) {
      address = url
      lastId = null
      failures = 0
      openSource()
    },
    open() {
      if (source !== undefined) return
      failures = 0
      openSource()
    },
    close() {
      disconnect()
      onStatus('closed', null)
    },
  }
}

/** Exponential backoff with jitter, so that many browsers don't reconnect at the same moment. */
function pauseAfter(failures: number): number {
  return Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS) * (0.5 + Math.random() / 2)
}

// A query parameter, as only the browser's own reconnects send the header `Last-Event-ID`.
function withLastId(url: string, id: string): string {
  const [address = '', ...hash] = url.split('#')
  const [path, ...query] = address.split('?')
  const parameters = new URLSearchParams(query.join('?'))
  parameters.set('lastEventId', id)
  return [`${path}?${parameters}`, ...hash].join('#')
}
