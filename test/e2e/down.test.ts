import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { setup, useTestContext } from '@nuxt/test-utils/e2e'
import { describe, expect, it } from 'vitest'
import { embeddedBinaries } from '../setup/binaries'
import { onFileEnd } from '../setup/database'
import { startServer } from '../setup/postgres'
import { fixture, startOutput, until, SETUP_LIMIT } from './support'

describe('an app whose database is down', async () => {
  await setup({ rootDir: fixture('basic'), server: false, build: true, setupTimeout: SETUP_LIMIT })

  it('says so once, answers calls with the reason, and works as soon as the database is there', async () => {
    const server = await startServer(await embeddedBinaries())
    onFileEnd(() => server.stop('immediate'))
    await server.halt()
    const app = await startOutput(useTestContext().nuxt!.options.nitro.output!.dir!, {
      env: { DATABASE_URL: server.url, NUXT_NVENT_STORE_POSTGRES_CONNECT_TIMEOUT: '300' },
    })
    expect(await app.post('/api/count')).toMatchObject({ code: 'CONNECTION', message: expect.stringContaining('can\'t be reached') as string })
    await until(app.logs, logs => logs.includes('not started'))

    await server.start()
    expect(await until(() => app.post('/api/count'), answer => 'count' in answer)).toEqual({ count: 1, same: true })
    await until(app.logs, logs => logs.includes('recovered'))

    // And down again, under a store that was ready.
    await server.halt('immediate')
    expect(await app.post('/api/count')).toMatchObject({ code: expect.stringMatching(/CONNECTION|TIMEOUT/) as string })
    await server.start()
    expect(await until(() => app.post('/api/count'), answer => 'count' in answer)).toEqual({ count: 2, same: true })

    expect(app.logs().match(/not started/g)).toHaveLength(1)
    expect(app.logs()).not.toMatch(/unhandled/i)
    expect(app.logs()).not.toContain(new URL(server.url).password)
    expect(await app.stop()).toBe(0)
  })

  it('ends when it is asked to while it connects to a host that never answers, and answers the requests that wait', async () => {
    const silence = createServer(socket => socket.on('error', () => socket.destroy())).listen(0, '127.0.0.1')
    onFileEnd(async () => void silence.close())
    await once(silence, 'listening')
    const app = await startOutput(useTestContext().nuxt!.options.nitro.output!.dir!, {
      env: {
        DATABASE_URL: `postgres://u:p@127.0.0.1:${(silence.address() as AddressInfo).port}/d`,
        // Nothing else ends it, or the call.
        NITRO_SHUTDOWN_TIMEOUT: '3600000', NUXT_NVENT_STORE_POSTGRES_CONNECT_TIMEOUT: '3600000',
      },
    })
    const answer = app.post('/api/count', {}, 3_600_000)
    await until(app.logs, logs => logs.includes('not ready yet'))
    expect(await app.stop()).toBe(0)
    expect(await answer).toMatchObject({ code: 'CLOSED' })
    expect(app.logs()).not.toContain('not started')
  })
})
