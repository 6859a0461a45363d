import { existsSync } from 'node:fs'
import { setup, useTestContext } from '@nuxt/test-utils/e2e'
import { chromium } from 'playwright-core'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase } from '../setup/database'
import type { Row } from '../setup/database'
import { root, startOutput, until, SETUP_LIMIT } from './support'
import type { App } from './support'

const browserPath = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium'
const PATIENCE_MS = 120_000

interface Answer {
  status: number
  // Each test says what it expects.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  body: any
}

interface ParcelRow extends Row {
  subject: string
  types: string[]
  workers: number[]
}

/** What the consumer of the playground has written for each order, with the processes that did it. */
const PARCELS = `select subject, array_agg(type order by id) as types, array_agg((data->>'worker')::integer) as workers
  from nvent_events where subject like 'parcels:%' group by subject order by subject`

const WAITING = 'select from pg_stat_activity where application_name = \'killed\' and wait_event_type = \'Lock\''

/** Rows of which a part sticks out. */
const TORN_ROWS = `[...document.querySelectorAll('.order, .timeline li, .log summary, .empty, .pills')].filter((row) => {
  const outer = row.getBoundingClientRect()
  const parts = [...row.children].map(part => part.getBoundingClientRect()).filter(part => part.width > 0)
  return row.scrollWidth > row.clientWidth + 1
    || parts.some(part => part.left < outer.left - 1 || part.right > outer.right + 1)
}).map(row => row.className + ': ' + row.textContent.trim().slice(0, 60))`

/** A browser without a window: keeps its cookie, as everything at the desk belongs to a session. */
function visitor(app: App) {
  let cookie = ''
  const request = async (method: string, path: string, body?: unknown): Promise<Answer> => {
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
  return Object.assign(request, { cookie: () => cookie })
}

/** Orders one piece of a product, and tells the number of the order. */
async function order(request: ReturnType<typeof visitor>, product: string, customer = 'Ada'): Promise<string> {
  await request('PUT', '/api/cart', { product, quantity: 1 })
  const { status, body } = await request('POST', '/api/orders', { customer })
  expect(status).toBe(201)
  return body.id
}

const isOf = (id: string) => ({ subject }: { subject: string }) => subject === `orders:${id}`

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
  await setup({ rootDir: root, server: false, build: true, setupTimeout: SETUP_LIMIT })

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
      expect((await request('GET', '/consumers')).body).toMatch(/No dead letters.*await store\.deadLetters\.list\(\{.*consumer: 'fulfilment'/)
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
        tier: 'stream', method: 'append', table: 'nvent_stream_orders', transaction: 'committed',
      }))
      expect(new Set(placing.calls.map(({ table }: { table: string }) => table)))
        .toEqual(new Set(['nvent_kv', 'nvent_stream_orders', 'nvent_stream_desk', 'nvent_index']))
      expect(new Set(groups[0].calls.map(({ table }: { table: string }) => table)))
        .toEqual(new Set(['nvent_flows', 'nvent_flow_runs', 'nvent_flow_events']))
      const { body: streams } = await request('GET', `/api/streams?subject=nvent:flow:run:${run.runId}`)
      expect(streams.events).toMatchObject({ call: { table: 'nvent_flow_events' }, result: { length: 5 } })
      const { body: ordered } = await request('GET', '/api/streams?subject=orders:1001')
      expect([ordered.events.call.table, ordered.latest.call.table]).toEqual(['nvent_stream_orders', 'nvent_stream_orders'])
      expect((await request('GET', '/streams?subject=orders:1001')).body).toContain('Read from nvent_stream_orders')
    })

    it.each(['orders:77', 'nvent:flow:run:none', 'nvent:secret', 'x'.repeat(200)])('says that the subject %s has no events', async (subject) => {
      const { status, body } = await request('GET', `/streams?subject=${subject}`)
      expect(status).toBe(200)
      expect(body).toContain(`${subject} has no events`)
      expect(body).not.toContain('No streams yet')
    })

    it('names the product on every page, and serves the docs it links to', async () => {
      for (const path of ['/', '/streams', '/indexes', '/kv', '/consumers']) {
        const html = await (await fetch(app.url + path)).text()
        expect(readable(html)).toContain('playground of nvent-store-postgres')
        const links = [...html.matchAll(/href="(\/docs\/[^"]*)"/g)].map(([, link]) => link)
        expect(links).toContain('/docs/tutorial.md')
        for (const link of links) expect(await (await fetch(app.url + link)).text(), link).toMatch(/^# /)
      }
    })

    it('has no button that is on before the page is hydrated', async () => {
      for (const path of ['/', '/streams', '/indexes', '/kv', '/consumers']) {
        const html = await (await fetch(app.url + path)).text()
        const buttons = html.match(/<button[^>]*>/g) ?? []
        expect(buttons.length).toBeGreaterThan(0)
        for (const button of buttons) expect(button).toMatch(/ disabled[ >=]/)
      }
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
      expect(await request('PUT', '/api/cart', { product: 'pen', quantity: 1.5 })).toMatchObject({ status: 400, body: { message: '"quantity" must be an integer from 0 to 20.' } })
      expect(await request('POST', '/api/orders', {})).toMatchObject({ status: 400, body: { message: '"customer" must be a string of 1 to 60 characters.' } })
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

  it('fulfils each order once, in its order, while processes are added, stopped and killed', async () => {
    const { url, sql, pool } = await freshDatabase('pg18')
    const parcels = () => sql<ParcelRow>(PARCELS)
    const hasWorked = (process: App) => until(parcels, rows => rows.some(({ workers }) => workers.includes(process.pid)))

    // Only answers requests; it has migrated the database when the first is answered.
    const desk = await start({ DATABASE_URL: url, NUXT_NVENT_STORE_POSTGRES_CONSUMERS: 'false' })
    await visitor(desk)('GET', '/api/desk')
    const ways = [
      { moves: [], types: ['parcel.reserved'] },
      { moves: ['cancelled'], types: ['parcel.reserved', 'parcel.returned'] },
      { moves: ['paid', 'packed', 'shipped'], types: ['parcel.reserved', 'parcel.sent'] },
    ]
    const expected: Pick<ParcelRow, 'subject' | 'types'>[] = []
    let isOpen = true
    const orders = (async () => {
      while (isOpen) {
        const { moves, types } = ways[expected.length % ways.length]!
        const request = visitor(desk)
        await request('PUT', '/api/cart', { product: 'coffee', quantity: 1 })
        const id = await order(request, 'mug')
        for (const status of moves) expect((await request('POST', `/api/orders/${id}/status`, { status })).status).toBe(200)
        expected.push({ subject: `parcels:${id}`, types })
      }
    })()
    // It is awaited below; until then a failure has no other handler.
    orders.catch(() => {})

    const [killed, stopped] = await Promise.all([start({ DATABASE_URL: `${url}?application_name=killed` }), start({ DATABASE_URL: url })])
    await Promise.all([hasWorked(killed), hasWorked(stopped)])
    const added = await start({ DATABASE_URL: url })
    await hasWorked(added)
    // In the middle of an order: it has taken the coffee, and waits for the mug.
    const holder = await pool.connect()
    await holder.query('begin; select from nvent_kv where key = \'stock:mug\' for update')
    await until(() => sql(WAITING), ({ length }) => length > 0)
    await killed.kill()
    await holder.query('rollback')
    holder.release()
    expect(await stopped.stop()).toBe(0)
    // Of all shards, also those whose lease has to run out first.
    await until(async () => (await visitor(desk)('GET', '/api/consumers')).body.consumer.result.shards, ({ all, held }) => held === all)
    isOpen = false
    await orders

    const rows = await until(parcels, rows => rows.flatMap(({ types }) => types).length >= expected.flatMap(({ types }) => types).length)
    expect(rows.map(({ subject, types }) => ({ subject, types }))).toEqual(expected)
    const { body } = await visitor(desk)('GET', '/api/consumers')
    expect(body).toMatchObject({ consumer: { result: { parked: 0, deadLetters: 0 } }, letters: { result: [] } })
    const taken = expected.filter(({ types }) => !types.includes('parcel.returned')).length
    expect(body.stock.result.slice(0, 2)).toMatchObject(['coffee', 'mug'].map(id => ({ product: { id }, left: 5000 - taken })))
    await Promise.all([added.stop(), desk.stop()])
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
      page = await newPage()
      page.on('console', message => message.type() === 'error' && problems.push(message.text()))
      page.on('pageerror', error => problems.push(error.message))
    })
    afterAll(async () => {
      await browser?.close()
      await app?.stop()
    })

    /** Time limits end what hangs: a busy machine is slow, and lines are opened again with growing pauses. */
    async function newPage(options?: BrowserContextOptions): Promise<Page> {
      const made = await browser.newPage(options)
      made.setDefaultTimeout(PATIENCE_MS)
      return made
    }

    // Without what says whether the page is live.
    const headings = async (tab: Page) => (await tab.locator('main h2').allTextContents()).map(text => text.replace(/live|connecting/, '').trim())
    const hydrated = (tab: Page) => tab.waitForFunction('window.useNuxtApp?.().isHydrating === false')
    const open = async (path: string) => {
      await page.goto(app.url + path)
      await hydrated(page)
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

    it('shows an event that another visitor appends', async () => {
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
      const [mine, other] = [await newPage(), await newPage()]
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

    it('keeps what is shown while the server is away, says so, and goes on when it is back', async () => {
      const environment = await databases.PostgreSQL()
      const desk = await start(environment)
      const tab = await newPage()
      // A busy browser is never idle.
      await tab.addInitScript('window.requestIdleCallback = () => 0')
      const away = tab.getByText('The server is away')
      const pages = {
        '/': { shown: 'Orders', click: 'Add Desk lamp to the cart', done: 'Place order' },
        '/streams': { shown: 'Every order is a stream', click: 'Simulate a workflow run', done: 'flow.completed' },
        '/indexes': { shown: 'Running totals', click: 'Simulate a workflow run', done: 'POST /api/workflows' },
        '/kv': { shown: 'Order numbers', click: 'Set', done: 'PUT /api/kv/scratch' },
        '/consumers': { shown: 'No dead letters', click: 'Restock Desk lamp', done: 'POST /api/stock/lamp' },
      }
      for (const [path, { shown, click, done }] of Object.entries(pages)) {
        const running = path === '/' ? desk : await start({ ...environment, PORT: new URL(desk.url).port })
        await tab.goto(desk.url + path)
        await hydrated(tab)
        await tab.evaluate('window.notReloaded = true')
        const before = await headings(tab)
        const button = tab.getByRole('button', { name: click, exact: true })

        await running.stop()
        await button.click()
        await away.waitFor()
        await tab.getByText('The server did not answer').waitFor()
        expect(await headings(tab), path).toEqual(before)
        await tab.getByText(shown).first().waitFor()

        const back = await start({ ...environment, PORT: new URL(desk.url).port })
        await away.waitFor({ state: 'hidden' })
        await button.click()
        await tab.getByText(done).first().waitFor()
        expect(await tab.evaluate('window.notReloaded')).toBe(true)
        await back.stop()
      }
      await tab.close()
    })

    it.each(['WWWWWWWWWW'.repeat(6), 'Anna-Maria '.repeat(5).trim()])('breaks no layout with a customer named %s', async (customer) => {
      const request = visitor(app)
      await request('DELETE', '/api/stock/pen')
      const id = await order(request, 'pen', customer)
      await until(() => request('GET', '/api/consumers'), ({ body }) => body.letters.result.some(isOf(id)))
      await request('POST', `/api/orders/${id}/notes`, { text: 'W'.repeat(200) })
      for (const width of [320, 390, 700, 1280]) {
        // With the cookie of the visitor, so that the call log has something to show.
        const tab = await newPage({ viewport: { width, height: 800 } })
        const [name = '', value = ''] = request.cookie().split('=')
        await tab.context().addCookies([{ name, value, url: app.url }])
        for (const path of ['/', `/streams?subject=orders:${id}`, '/indexes', '/kv', '/consumers', `/streams?subject=${'w'.repeat(300)}`]) {
          await tab.goto(app.url + path)
          await hydrated(tab)
          expect(await tab.evaluate('document.documentElement.scrollWidth'), `${path} at ${width}`).toBeLessThanOrEqual(width)
          expect(await tab.evaluate(TORN_ROWS), `${path} at ${width}`).toEqual([])
        }
        await tab.close()
      }
    })

    it('has its controls off, and looks like it, until the page is hydrated', async () => {
      const tab = await newPage()
      let hydrate = () => {}
      const scripts = new Promise<void>((resolve) => {
        hydrate = resolve
      })
      await tab.route(/\.js$/, async (route) => {
        await scripts
        await route.continue()
      })
      for (const path of ['/kv', '/']) {
        await tab.goto(app.url + path, { waitUntil: 'commit' })
        const controls = await tab.locator('main :is(button, input)').all()
        expect(controls.length).toBeGreaterThan(0)
        for (const control of controls) expect(await control.isDisabled()).toBe(true)
        const looks = '[...document.querySelectorAll("main :is(button, input)")].map(control => Number(getComputedStyle(control).opacity))'
        for (const opacity of await tab.evaluate<number[]>(looks)) expect(opacity).toBeLessThan(1)
      }
      hydrate()
      await tab.getByRole('button', { name: 'Add Desk lamp to the cart' }).click()
      await tab.getByRole('button', { name: 'Place order' }).waitFor()
      await tab.close()
    })

    it.each(Object.entries(databases))('parks an order that fails, and fulfils it when it is requeued, on %s', async (_, environment) => {
      const shop = await start(await environment())
      const tab = await newPage()
      const press = (name: string) => tab.getByRole('button', { name, exact: true }).click()
      const parcel = (id: string, status: string) => tab.locator('.entries li', { hasText: id }).getByText(`'${status}'`).waitFor()
      const letter = tab.locator('.letter', { hasText: 'orders:1001' })

      await tab.goto(`${shop.url}/consumers`)
      await tab.getByText('No dead letters').waitFor()
      await press('Sell out Desk lamp')
      await tab.locator('.sold-out', { hasText: 'Desk lamp' }).waitFor()
      // At other desks; this page is not told.
      const request = visitor(shop)
      expect(await order(request, 'lamp')).toBe('1001')
      for (const status of ['paid', 'packed', 'shipped']) await request('POST', '/api/orders/1001/status', { status })
      await letter.getByText('Order 1001 needs 1 × lamp, and 0 are left.').waitFor()
      await letter.getByText('given up after 3 attempts').waitFor()
      await letter.getByText('1 event behind it: order.shipped.').waitFor()
      expect(await order(request, 'mug')).toBe('1002')
      await parcel('1002', 'reserved')

      await press('Preview orders:1001')
      await letter.getByText('order.placed would fail').waitFor()
      await press('Restock Desk lamp')
      await press('Preview orders:1001')
      await letter.getByText(/2 events would go well: .*nvent_kv \+0 ~1 −0/).waitFor()
      // Nothing of a preview is kept.
      expect((await request('GET', '/api/consumers')).body.stock.result).toContainEqual({ product: expect.objectContaining({ id: 'lamp' }) as object, left: 20 })
      await press('Requeue orders:1001')
      await parcel('1001', 'sent')
      await tab.getByText('No dead letters').waitFor()
      await tab.getByText('POST /api/letters/1/requeue').waitFor()
      await tab.locator('.stock li', { hasText: 'Desk lamp' }).getByText('19', { exact: true }).waitFor()

      await press('Sell out Enamel mug')
      expect(await order(request, 'mug')).toBe('1003')
      await request('POST', '/api/orders/1003/status', { status: 'cancelled' })
      await press('Discard orders:1003')
      await tab.getByText('No dead letters').waitFor()
      const { body } = await request('GET', '/api/consumers')
      expect(body.parcels.result.map(({ id }: { id: string }) => id)).toEqual(['1002', '1001'])
      await tab.close()
      await shop.stop()
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
