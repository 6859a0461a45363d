import { existsSync } from 'node:fs'
import { setup, useTestContext } from '@nuxt/test-utils/e2e'
import { chromium } from 'playwright-core'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase } from '../setup/database'
import { root, startOutput, until } from './support'
import type { App } from './support'

const browserPath = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium'

interface Answer {
  status: number
  // Each test says what it expects.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  body: any
}

/** A browser without a window: keeps its cookie, as everything at the desk belongs to a session. */
function visitor(app: App) {
  let cookie = ''
  return async (method: string, path: string, body?: unknown): Promise<Answer> => {
    const response = await fetch(app.url + path, {
      method,
      headers: { 'content-type': 'application/json', cookie },
      body: body === undefined ? undefined : JSON.stringify(body),
    })
    cookie = response.headers.getSetCookie()[0]?.split(';')[0] ?? cookie
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.includes('json')
    return { status: response.status, body: isJson ? JSON.parse(text) : readable(text) }
  }
}

/** What a person reads on a page, as rendered by the server. */
function readable(html: string): string {
  return html
    .replaceAll(/<script.*?<\/script>|<[^>]*>/gs, '')
    .replaceAll('&#39;', '\'')
    .replaceAll(/\s+/g, ' ')
}

const databases = {
  'the embedded database': () => Promise.resolve({ NUXT_NVENT_STORE_POSTGRES_CONNECTION: 'pglite://memory' }),
  'PostgreSQL': async () => ({ DATABASE_URL: (await freshDatabase('pg18')).url }),
}

describe('the playground', async () => {
  await setup({ rootDir: root, server: false, build: true })

  let output = ''
  beforeAll(() => {
    output = useTestContext().nuxt!.options.nitro.output!.dir!
  })

  const start = (env: Record<string, string>): Promise<App> => startOutput(output, { env })

  describe.each(Object.entries(databases))('on %s', (_, environment) => {
    let app: App
    let request: ReturnType<typeof visitor>

    beforeAll(async () => {
      app = await start(await environment())
      request = visitor(app)
    })
    afterAll(() => app?.stop())

    it('starts empty, on every page', async () => {
      expect((await request('GET', '/')).body).toContain('No orders yet')
      expect((await request('GET', '/streams')).body).toContain('No streams yet')
      expect((await request('GET', '/indexes')).body).toContain('No such orders')
      expect((await request('GET', '/kv')).body).toContain('desk:')
    })

    it('places an order in one transaction and moves it on', async () => {
      await request('PUT', '/api/cart', { product: 'coffee', quantity: 1 })
      const { body: cart } = await request('PUT', '/api/cart', { product: 'mug', quantity: 2 })
      expect(cart).toMatchObject({ total: 4190, lines: [{ quantity: 1 }, { quantity: 2, amount: 2900 }] })
      expect(await request('POST', '/api/orders', { customer: 'Ada' })).toEqual({ status: 201, body: { id: '1001', total: 4190 } })
      for (const status of ['paid', 'packed', 'shipped']) {
        expect(await request('POST', '/api/orders/1001/status', { status })).toEqual({ status: 200, body: { id: '1001', status } })
      }

      const { body: desk } = await request('GET', '/api/desk')
      expect(desk).toMatchObject({
        cart: { lines: [], expiresAt: null },
        turns: { used: expect.any(Number) as number, allowed: 5 },
        orders: [{ id: '1001', customer: 'Ada', status: 'shipped', items: 3, events: 4, next: [] }],
        totals: { orders: 1, revenue: 4190, byStatus: { placed: 0, paid: 0, packed: 0, shipped: 1, cancelled: 0 } },
      })
      const { body: streams } = await request('GET', '/api/streams?subject=orders:1001')
      expect(streams.events.result.map(({ type }: { type: string }) => type))
        .toEqual(['order.placed', 'order.paid', 'order.packed', 'order.shipped'])
      expect(streams.latest.result).toMatchObject([{ type: 'order.shipped' }])
    })

    it('takes a cancelled order out of the revenue and appends notes', async () => {
      await request('PUT', '/api/cart', { product: 'pen', quantity: 1 })
      await request('POST', '/api/orders', { customer: 'Grace' })
      expect((await request('POST', '/api/orders/1002/notes', { text: 'Gift wrap' })).status).toBe(200)
      await request('POST', '/api/orders/1002/status', { status: 'cancelled' })
      const { body: desk } = await request('GET', '/api/desk')
      expect(desk.totals).toMatchObject({ orders: 2, revenue: 4190, byStatus: { shipped: 1, cancelled: 1 } })
      expect(desk.orders[0]).toMatchObject({ id: '1002', events: 3 })
    })

    it('says which table each call went to', async () => {
      const { body: run } = await request('POST', '/api/workflows')
      const { body: groups } = await request('GET', '/api/calls')
      const placing = groups.find(({ request: name }: { request: string }) => name === 'POST /api/orders')
      expect(placing.calls).toContainEqual(expect.objectContaining({
        tier: 'stream', method: 'append', table: 'nvent_events', transaction: 'committed',
      }))
      expect(new Set(placing.calls.map(({ table }: { table: string }) => table))).toEqual(new Set(['nvent_kv', 'nvent_events', 'nvent_index']))
      expect(new Set(groups[0].calls.map(({ table }: { table: string }) => table)))
        .toEqual(new Set(['nvent_flows', 'nvent_flow_runs', 'nvent_flow_events']))
      const { body: streams } = await request('GET', `/api/streams?subject=nvent:flow:run:${run.runId}`)
      expect(streams.events).toMatchObject({ call: { table: 'nvent_flow_events' }, result: { length: 5 } })
    })

    it('renders what the store holds, with the code that read it', async () => {
      const desk = (await request('GET', '/')).body
      expect(desk).toContain('#1001')
      expect(desk).toContain('Ada')
      expect(desk).toContain('transaction committed')
      expect((await request('GET', '/streams?subject=orders:1001')).body).toMatch(/order\.shipped.*await store\.stream\.read\('orders:1001'\)/)
      expect((await request('GET', '/indexes?status=shipped')).body).toMatch(/#1001.*filter: \{ status: 'shipped' \}.*nvent_flow_runs/)
      expect((await request('GET', '/kv')).body).toContain('nvent_kv')
    })

    it('refuses what makes no sense, with the reason', async () => {
      expect(await request('PUT', '/api/cart', { product: 'yacht', quantity: 1 })).toMatchObject({ status: 400, body: { message: expect.stringContaining('"product" must be one of coffee') as string } })
      expect(await request('PUT', '/api/cart', { product: 'pen', quantity: 1.5 })).toMatchObject({ status: 400, body: { message: '"quantity" must be a whole number from 0 to 20.' } })
      expect(await request('POST', '/api/orders', {})).toMatchObject({ status: 400, body: { message: '"customer" must be a text of 1 to 60 characters.' } })
      expect(await request('POST', '/api/orders/1001/status', { status: 'paid' })).toMatchObject({ status: 409, body: { message: 'Order 1001 is shipped: it can\'t become paid.' } })
      expect(await request('POST', '/api/orders/77/status', { status: 'paid' })).toMatchObject({ status: 404, body: { message: 'There is no order 77.' } })
      expect(await request('GET', '/api/streams?subject=nvent:secret')).toMatchObject({ status: 400 })
      expect(await visitor(app)('POST', '/api/orders', { customer: 'Nobody' })).toMatchObject({ status: 400, body: { message: 'The cart is empty or has expired.' } })
    })

    it('shows an error of the store with its code, and leaves the value', async () => {
      await request('PUT', '/api/kv/scratch', { value: 'a text' })
      expect(await request('POST', '/api/kv/increment')).toMatchObject({ status: 400, body: { data: { code: 'INVALID_VALUE' } } })
      expect((await request('GET', '/api/kv')).body.scratch.result).toBe('a text')
      await request('PUT', '/api/kv/scratch', { value: 41 })
      expect((await request('POST', '/api/kv/increment')).body).toEqual({ value: 42 })
      expect((await request('DELETE', '/api/kv')).body.deleted).toBeGreaterThan(0)
      expect((await request('GET', '/api/kv')).body.scratch.result).toBeNull()
    })

    it('limits the orders of a minute, and a refused one leaves nothing behind', async () => {
      const guest = visitor(app)
      const answers: Answer[] = []
      // Eleven orders touch at most two minutes of five each.
      for (let order = 0; order < 11; order++) {
        await guest('PUT', '/api/cart', { product: 'candle', quantity: 1 })
        answers.push(await guest('POST', '/api/orders', { customer: 'Guest' }))
      }
      const refused = answers.filter(({ status }) => status === 429)
      expect(refused.length).toBeGreaterThan(0)
      expect(refused[0]?.body).toMatchObject({ data: { code: 'RATE_LIMIT' }, message: expect.stringContaining('5 orders a minute') as string })

      const { body: desk } = await guest('GET', '/api/desk')
      const placed = answers.filter(({ status }) => status === 201)
      expect(desk.totals.orders).toBe(2 + placed.length)
      expect(placed.at(-1)?.body.id).toBe(String(1002 + placed.length))
    })
  })

  it('forgets the cart when its time is over', async () => {
    const app = await start({ ...await databases['the embedded database'](), DESK_CART_SECONDS: '1' })
    const request = visitor(app)
    const { body: cart } = await request('PUT', '/api/cart', { product: 'lamp', quantity: 1 })
    expect(cart.expiresAt - Date.now()).toBeLessThanOrEqual(1000)
    await until(() => request('GET', '/api/desk'), ({ body }) => body.cart.lines.length === 0)
    expect(await request('POST', '/api/orders', { customer: 'Ada' })).toMatchObject({ status: 400 })
    await app.stop()
  })

  describe.skipIf(!existsSync(browserPath))(`in a browser (CHROMIUM_PATH, default ${browserPath})`, () => {
    let browser: Browser
    let page: Page
    let app: App
    const problems: string[] = []

    beforeAll(async () => {
      app = await start(await databases['the embedded database']())
      browser = await chromium.launch({
        executablePath: browserPath,
        args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
      })
      page = await browser.newPage()
      page.on('console', message => message.type() === 'error' && problems.push(message.text()))
      page.on('pageerror', error => problems.push(error.message))
    })
    afterAll(async () => {
      await browser?.close()
      await app?.stop()
    })

    const open = async (path: string) => {
      await page.goto(app.url + path)
      await page.waitForFunction('window.useNuxtApp?.().isHydrating === false')
    }
    const click = (name: string) => page.getByRole('button', { name, exact: true }).click()
    const see = (text: string | RegExp) => page.getByText(text).first().waitFor()

    it('places an order and ships it', async () => {
      await open('/')
      await click('Add Desk lamp to the cart')
      await see(/kept for \d+:\d\d/)
      await page.getByLabel('Customer').fill('Hedy Lamarr')
      await click('Place order')
      await see('#1001')
      await see('4 of 5 orders left this minute')
      for (const step of ['Mark paid', 'Pack', 'Ship']) await click(`${step} order 1001`)
      await page.locator('.order', { hasText: 'Hedy Lamarr' }).getByText('shipped').waitFor()
      await see('POST /api/orders/1001/status')
    })

    it('shows an event that somebody else appends', async () => {
      await open('/streams?subject=orders:1001')
      await page.getByText('live', { exact: true }).waitFor()
      await visitor(app)('POST', '/api/orders/1001/notes', { text: 'Rang twice' })
      await see(/Rang twice/)
    })

    it('shows an order in another tab, also when the server was away in between', async () => {
      const environment = await databases.PostgreSQL()
      // A stream that did not end with the server would keep it from ending for longer than any test may take.
      const restart = (url?: string) => start({ ...environment, NITRO_SHUTDOWN_TIMEOUT: '900000', ...url && { PORT: new URL(url).port } })
      const desk = await restart()
      const [mine, other] = [await browser.newPage(), await browser.newPage()]
      for (const tab of [mine, other]) {
        await tab.goto(desk.url)
        await tab.getByText('live', { exact: true }).waitFor()
        // A reload would forget it.
        await tab.evaluate('window.notReloaded = true')
      }
      await mine.getByRole('button', { name: 'Add Desk lamp to the cart' }).click()
      await mine.getByLabel('Customer').fill('Mary Shelley')
      await mine.getByRole('button', { name: 'Place order' }).click()
      await other.locator('.order', { hasText: 'Mary Shelley' }).waitFor()

      expect(await desk.stop()).toBe(0)
      await Promise.all([mine, other].map(tab => tab.getByText('connecting', { exact: true }).waitFor()))
      const elsewhere = await start(environment)
      const customer = visitor(elsewhere)
      await customer('PUT', '/api/cart', { product: 'pen', quantity: 1 })
      expect(await customer('POST', '/api/orders', { customer: 'Emily Dickinson' })).toMatchObject({ status: 201 })

      const again = await restart(desk.url)
      for (const tab of [mine, other]) {
        await tab.locator('.order', { hasText: 'Emily Dickinson' }).waitFor()
        await tab.getByText('live', { exact: true }).waitFor()
        expect(await tab.evaluate('window.notReloaded')).toBe(true)
        await tab.close()
      }
      await Promise.all([again.stop(), elsewhere.stop()])
    })

    it('explains what the store refuses', async () => {
      await open('/kv')
      await page.getByLabel('Value').fill('a text')
      await click('Set')
      await click('Add one')
      await page.getByRole('alert').getByText('INVALID_VALUE').waitFor()
      expect(problems).toEqual([expect.stringContaining('400')])
    })
  })
})
