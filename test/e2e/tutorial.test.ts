import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { runCli } from '../setup/commandLine'
import { freshDatabase } from '../setup/database'
import { documentedApp } from './documented'
import { root, runNode, startOutput, until } from './support'
import type { App } from './support'

interface Answer {
  statusCode?: number
  data?: { code?: string }
}

describe('the tutorial', () => {
  let app: App
  beforeAll(async () => {
    const directory = await documentedApp(['docs/tutorial.md'])
    const { code, logs } = await runNode([join(root, 'node_modules/nuxt/bin/nuxt.mjs'), 'build'], { cwd: directory, env: { NODE_ENV: 'production' } })
    expect(code, logs).toBe(0)
    const { url } = await freshDatabase('pg18')
    const migrated = await runCli(['migrate', '--schema', 'shop'], { env: { DATABASE_URL: url } })
    expect(migrated.code, migrated.stderr).toBe(0)
    app = await startOutput(join(directory, '.output'), { env: { DATABASE_URL: url, NODE_ENV: 'production' } })
  })
  const get = <T>(path: string) => fetch(app.url + path).then(response => response.json() as Promise<T>)

  it('places, lists and pays an order, in a schema that the command line has migrated', async () => {
    expect(await app.post('/api/orders', { id: '42', total: 99 })).toMatchObject({ type: 'order.placed', data: { total: 99 } })
    expect(await get('/api/orders?status=placed')).toMatchObject([{ id: '42', status: 'placed', total: 99 }])
    expect(await app.post('/api/orders/42/pay')).toMatchObject({ type: 'order.paid' })
    expect(await get('/api/orders')).toMatchObject([{ id: '42', status: 'paid' }])
    expect(await get('/api/orders/42')).toMatchObject([{ type: 'order.placed' }, { type: 'order.paid' }])
  })

  it('answers what is refused with the status the page names', async () => {
    expect(await app.post<Answer>('/api/orders', { id: '42', total: 1 })).toMatchObject({ statusCode: 409 })
    expect(await app.post<Answer>('/api/orders', { id: 42 })).toMatchObject({ statusCode: 400 })
    expect(await app.post<Answer>('/api/orders/42/pay')).toMatchObject({ statusCode: 409 })
    expect(await app.post<Answer>('/api/orders/43/pay')).toMatchObject({ statusCode: 404 })
  })

  it('shows nothing of an error that no route caught but its status', async () => {
    const answer = await app.post<Answer>('/api/orders', { id: '42', total: 1 })
    expect(answer).toMatchObject({ statusCode: 409, message: 'Server Error' })
    expect(answer).not.toHaveProperty('stack')
    expect(JSON.stringify(answer)).not.toMatch(/StoreError|VERSION_CONFLICT|orders:42|expected|\.mjs/)
    await until(app.logs, logs => logs.includes('VERSION_CONFLICT'))
  })

  it('serves the page, the live events and health, and its plugin hears of orders', async () => {
    expect(await fetch(app.url).then(response => response.text())).toContain('42: paid')
    const live = await fetch(`${app.url}/api/orders/42/live`)
    const reader = live.body!.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    await until(async () => text += (await reader.read()).value ?? '', found => found.includes('order.paid'))
    await reader.cancel()
    expect((await fetch(`${app.url}/health`)).status).toBe(200)
    await until(app.logs, logs => logs.includes('orders:42: order.paid'))
    expect(await app.stop()).toBe(0)
  })
})
