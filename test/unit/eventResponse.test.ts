import { createServer, get } from 'node:http'
import type { IncomingMessage, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createApp, defineEventHandler, toNodeListener } from 'h3'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { eventually } from '../setup/eventually'
import type { EventResponse } from '../../src/runtime/nitro2/eventResponse'

describe('an answer of server-sent events', () => {
  let server: Server
  let response: EventResponse
  let latest: EventResponse | undefined
  let endAll: () => void
  beforeEach(async () => {
    // What has ended with one server stays ended.
    vi.resetModules()
    latest = undefined
    const { openEventResponse } = await import('../../src/runtime/nitro2/eventResponse')
    endAll = (await import('../../src/runtime/server/shutdown')).endAll
    const app = createApp().use(defineEventHandler((event) => {
      latest = openEventResponse(event)
      return latest.sent
    }))
    server = createServer(toNodeListener(app))
    await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve))
  })
  afterEach(() => {
    latest?.end()
    server.closeAllConnections()
    server.close()
  })

  async function connect() {
    const request = get(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    // A comment first: the head goes out with it.
    await eventually(() => expect(latest).toBeDefined())
    response = latest!
    await response.write(':\n\n')
    const answer = await new Promise<IncomingMessage>(resolve => request.on('response', resolve))
    let text = ''
    let ended = false
    answer.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    }).on('close', () => {
      ended = true
    }).on('error', () => {
      ended = true
    })
    return { request, answer, text: () => text, ended: () => ended }
  }

  it('carries what is written, and ends', async () => {
    const client = await connect()
    expect(client.answer.headers).toMatchObject({ 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' })
    await response.write('data: 1\n\n')
    response.beat()
    await eventually(() => expect(client.text()).toBe(':\n\ndata: 1\n\n:\n\n'))
    response.end()
    await eventually(() => expect(client.ended()).toBe(true))
  })

  it('waits for a client that does not read, and sends no comments meanwhile', async () => {
    const client = await connect()
    client.answer.pause()
    let written = 0
    const total = 400
    const writing = (async () => {
      for (; written < total; written++) await response.write(`data: ${'x'.repeat(100_000)}\n\n`)
    })()
    // Until it stands still: full, or waiting.
    for (let before = -1; before !== written; await sleep(50)) before = written
    expect(written).toBeLessThan(total)
    client.answer.resume()
    await writing
    expect(written).toBe(total)
  })

  it('is over when the client has gone, also while it waits for it', async () => {
    const client = await connect()
    client.answer.pause()
    const writing = (async () => {
      for (let written = 0; written < 1_000; written++) await response.write(`data: ${'x'.repeat(100_000)}\n\n`)
    })()
    client.request.destroy()
    await expect(writing).rejects.toThrow()
    expect(response.signal.aborted).toBe(true)
  })

  it('is over when the server stops, and one that comes later is over at once', async () => {
    await connect()
    const first = response
    endAll()
    expect(first.signal.aborted).toBe(true)
    first.end()
    latest = undefined
    const late = get(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    await eventually(() => expect(latest).toBeDefined())
    expect(latest!.signal.aborted).toBe(true)
    late.on('error', () => late.destroy()).destroy()
  })

  it('hears the signal that stops the server, and adds no listener where it is not handled', async () => {
    const others = process.listenerCount('SIGTERM')
    const handler = () => {}
    if (others === 0) {
      await connect()
      expect(process.listenerCount('SIGTERM')).toBe(0)
    }
    vi.resetModules()
    const { endedWithServer } = await import('../../src/runtime/server/shutdown')
    process.on('SIGTERM', handler)
    const { controller } = endedWithServer()
    process.emit('SIGTERM')
    expect(controller.signal.aborted).toBe(true)
    process.off('SIGTERM', handler)
    expect(process.listenerCount('SIGTERM')).toBe(others)
  })

  it('does not hold up a server that stops for a client that does not read', async () => {
    const client = await connect()
    client.answer.pause()
    let written = 0
    const writing = (async () => {
      for (; written < 1_000; written++) await response.write(`data: ${'x'.repeat(100_000)}\n\n`)
    })()
    for (let before = -1; before !== written; await sleep(50)) before = written
    endAll()
    await expect(writing).rejects.toThrow()
    response.end()
    await new Promise<void>(resolve => server.close(() => resolve()))
  })
})
