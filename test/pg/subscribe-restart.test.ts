import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../setup/eventually'
import type { Store } from '../../src/runtime/core/index'
import { embeddedBinaries } from '../setup/binaries'
import { openStore } from '../setup/database'
import { startServer } from '../setup/postgres'
import type { Server } from '../setup/postgres'

describe('subscriptions across a restart of the server', () => {
  let server: Server
  let reader: Store
  let writer: Store

  beforeAll(async () => {
    server = await startServer(await embeddedBinaries(), { fsync: 'on' })
    reader = openStore({ connection: server.url, pollInterval: 50 })
    writer = openStore({ connection: server.url })
    await Promise.all([reader.ready(), writer.ready()])
  })

  afterAll(async () => {
    await Promise.all([reader.close(), writer.close()])
    await server.stop('immediate')
  })

  it.each(['fast', 'immediate'] as const)('(%s) go on where they were, without hole or repeat', async (mode) => {
    const subject = `restarts:${mode}`
    const seen: Record<string, string[]> = { subject: [], glob: [], iterable: [] }
    await reader.stream.subscribe(subject, ({ id }) => void seen.subject!.push(id))
    await reader.stream.subscribe(`restarts:${mode}*`, ({ id }) => void seen.glob!.push(id))
    const abort = new AbortController()
    const iterating = (async () => {
      for await (const { event } of reader.stream.subscribe(subject, { from: 'start', signal: abort.signal })) seen.iterable!.push(event.id)
    })()

    let writing = true
    const write = async () => {
      while (writing) {
        // What the crash took with it is not there: nobody may see it.
        await writer.stream.append(subject, { type: 'a' }).catch(() => sleep(20))
        await sleep(1)
      }
    }
    const writers = [write(), write()]
    await sleep(200)
    await server.halt(mode)
    await sleep(300)
    await server.start()
    await sleep(300)
    const { id: later } = await eventually(() => writer.stream.append(subject, { type: 'later' }))
    await eventually(() => Object.values(seen).forEach(list => expect(list).toContain(later)))
    writing = false
    await Promise.all(writers)
    const all = (await writer.stream.read(subject)).map(({ id }) => id)
    await eventually(() => Object.values(seen).forEach(list => expect(list).toHaveLength(all.length)))
    expect(seen).toEqual({ subject: all, glob: all, iterable: all })
    abort.abort()
    await iterating
  })
})
