import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

/** A network between a store and its server, which can be made to fail. */
export interface Proxy {
  port: number
  /** The URL of a server, by way of the proxy. */
  urlOf(url: string): string
  /** Where connections lead from now on. */
  lead(port: number): void
  /** Ends all connections, as a cable does that is pulled out and a peer that says so. */
  cut(): void
  /** Refuses new connections, until it is switched off again. */
  refuse(on: boolean): void
  /** Takes packets and lets none through, on the connections there are and on new ones: a half-open network. */
  swallow(on: boolean): void
  /** Lets each packet through so many milliseconds late. */
  delay(ms: number): void
  connections(): number
  close(): Promise<void>
}

export async function startProxy(target: number): Promise<Proxy> {
  const pairs = new Set<[Socket, Socket]>()
  // One side is gone, and the other one has not heard of it.
  const severed = new Set<[Socket, Socket]>()
  let [port, refusing, swallowing, delayMs] = [target, false, false, 0]

  const listener = createServer({ allowHalfOpen: true }, (client) => {
    if (refusing) return void client.destroy()
    const upstream = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    const pair: [Socket, Socket] = [client, upstream]
    pairs.add(pair)
    const end = () => {
      pairs.delete(pair)
      if (swallowing) severed.add(pair)
      else pair.forEach(socket => socket.destroy())
    }
    pipe(client, upstream, end)
    pipe(upstream, client, end)
  })

  function pipe(from: Socket, to: Socket, end: () => void): void {
    from.setNoDelay(true)
    from.on('data', (chunk) => {
      const pass = () => {
        if (!swallowing && !to.destroyed) to.write(chunk)
      }
      if (delayMs > 0) setTimeout(pass, delayMs)
      else pass()
    })
    from.on('end', () => {
      if (swallowing) end()
      else to.end()
    })
    from.on('error', end)
    from.on('close', end)
  }

  const cut = () => {
    for (const pair of pairs) pair.forEach(socket => socket.destroy())
    pairs.clear()
  }

  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const own = (listener.address() as AddressInfo).port
  const proxy: Proxy = {
    port: own,
    urlOf: url => Object.assign(new URL(url), { host: `127.0.0.1:${own}` }).href,
    lead: (to) => {
      port = to
    },
    cut,
    refuse: (on) => {
      refusing = on
    },
    swallow: (on) => {
      swallowing = on
      if (on) return
      for (const pair of severed) pair.forEach(socket => socket.destroy())
      severed.clear()
    },
    delay: (ms) => {
      delayMs = ms
    },
    connections: () => pairs.size,
    async close() {
      proxy.swallow(false)
      cut()
      listener.close()
      await once(listener, 'close')
    },
  }
  return proxy
}
