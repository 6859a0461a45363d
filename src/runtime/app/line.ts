/** What is used of the browser's EventSource. */
export interface Source {
  addEventListener(type: 'open' | 'error', listener: () => void): void
  addEventListener(type: 'message' | 'ready', listener: (message: { data: string, lastEventId: string }) => void): void
  close(): void
}

export type LineStatus = 'connecting' | 'open' | 'closed'

export interface LineOptions {
  connect(url: string): Source
  onStatus(status: LineStatus, error: Error | null): void
  onMessage(message: { data: string, id: string }): void
}

export interface Line {
  /** Follows this address from now on, from its start; null: none. */
  follow(url: string | null): void
  open(): void
  close(): void
}

const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 30_000

/**
 * A line to a server that is opened again when it breaks, after the last event. The browser would do so by itself, but
 * not after an answer like 502, which is what a proxy says while the server behind it restarts.
 */
export function createLine({ connect, onStatus, onMessage }: LineOptions): Line {
  let address: string | null = null
  let lastId: string | null = null
  let failures = 0
  let source: Source | undefined
  let timer: ReturnType<typeof setTimeout> | undefined

  function hangUp(): void {
    clearTimeout(timer)
    source?.close()
    source = undefined
  }

  function dial(): void {
    hangUp()
    if (address === null) return onStatus('closed', null)
    if (failures === 0) onStatus('connecting', null)
    const dialled = connect(lastId === null ? address : withLastId(address, lastId))
    source = dialled
    // An event of a line that was hung up may still be on its way.
    const current = <Args extends unknown[]>(handle: (...args: Args) => void) => (...args: Args) => {
      if (source === dialled) handle(...args)
    }
    dialled.addEventListener('open', current(() => onStatus('open', null)))
    // The position the server starts at: an event may come while the line is down, before any has come on it.
    dialled.addEventListener('ready', current(({ lastEventId }) => {
      failures = 0
      lastId = lastEventId
    }))
    dialled.addEventListener('message', current(({ data, lastEventId }) => {
      failures = 0
      lastId = lastEventId
      onMessage({ data, id: lastEventId })
    }))
    dialled.addEventListener('error', current(() => {
      hangUp()
      const pause = pauseAfter(failures++)
      onStatus('connecting', new Error(`the event stream ${address} was lost; connecting again in ${Math.round(pause)} ms`))
      timer = setTimeout(dial, pause)
    }))
  }

  return {
    follow(url) {
      address = url
      lastId = null
      failures = 0
      dial()
    },
    open() {
      if (source !== undefined) return
      failures = 0
      dial()
    },
    close() {
      hangUp()
      onStatus('closed', null)
    },
  }
}

/** Twice as long each time, with a share of chance: a thousand browsers must not come back in the same moment. */
function pauseAfter(failures: number): number {
  return Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS) * (0.5 + Math.random() / 2)
}

// Only the browser's own attempts send the header `Last-Event-ID`.
function withLastId(url: string, id: string): string {
  const [address = '', ...hash] = url.split('#')
  const [path, ...query] = address.split('?')
  const parameters = new URLSearchParams(query.join('?'))
  parameters.set('lastEventId', id)
  return [`${path}?${parameters}`, ...hash].join('#')
}
