// Takes the screenshots of the README from a running playground, filling it with content by using it.
//   npm run dev
//   node playground/screenshots.mjs [url] [folder for every page, width and colour scheme]
import { mkdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { chromium } from 'playwright-core'

const [url = 'http://localhost:3000', everything] = process.argv.slice(2)
const images = fileURLToPath(new URL('../docs/images', import.meta.url))

const pages = { 'order-desk': '/', 'streams': '/streams', 'indexes': '/indexes', 'kv': '/kv', 'consumers': '/consumers' }
const sizes = { wide: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } }
const orders = [
  { products: ['Filter coffee', 'Enamel mug', 'Enamel mug'], moves: ['Mark paid', 'Pack', 'Ship'] },
  { products: ['Fountain pen', 'Linen notebook'], moves: ['Mark paid', 'Cancel'] },
  { products: ['Desk lamp'], moves: ['Mark paid', 'Pack'] },
  { products: ['Beeswax candle', 'Beeswax candle', 'Linen notebook'], moves: ['Mark paid'] },
]

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
})
const context = await browser.newContext({ viewport: sizes.wide })
const page = await context.newPage()

await fill()
await shoot('order-desk', '/', 'light', sizes.wide, images)
await shoot('streams', '/streams', 'light', sizes.wide, images)
await shoot('consumers', '/consumers', 'light', sizes.wide, images)
if (everything) await shootAll(everything)
await browser.close()

async function fill() {
  await open('/consumers')
  await page.getByRole('button', { name: 'Sell out Fountain pen' }).click()
  await page.locator('.sold-out', { hasText: 'Fountain pen' }).waitFor()
  await open('/kv')
  await click('Set')
  await click('Add one')
  await open('/streams')
  await click('Simulate a workflow run')
  await open('/')
  for (const { products, moves } of orders) {
    for (const product of products) await click(`Add ${product} to the cart`)
    await click('Place order')
    for (const label of moves.slice(0, -1)) await move(0, label)
  }
  await click('Add Filter coffee to the cart')
  await click('Add Desk lamp to the cart')
  for (const [place, { moves }] of orders.toReversed().entries()) await move(place, moves.at(-1))
  await open('/consumers')
  // The order that needs what is sold out.
  await page.getByRole('button', { name: /^Preview / }).click({ timeout: 120_000 })
  await page.locator('.letter').getByText('would fail').waitFor()
}

async function move(place, label) {
  await page.locator('.order').nth(place).getByText(label, { exact: true }).click()
  await settled()
}

async function shootAll(folder) {
  for (const [name, path] of Object.entries(pages)) {
    for (const [size, viewport] of Object.entries(sizes)) {
      for (const scheme of ['light', 'dark']) {
        await shoot(`${name}-${size}-${scheme}`, path, scheme, viewport, folder, true)
      }
    }
  }
}

async function shoot(name, path, colorScheme, viewport, folder, fullPage = false) {
  await mkdir(folder, { recursive: true })
  await page.setViewportSize(viewport)
  await page.emulateMedia({ colorScheme })
  await open(path)
  await page.waitForFunction(() => !globalThis.document.body.textContent.includes('connecting'))
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage })
  console.log(join(folder, `${name}.png`))
}

async function open(path) {
  await page.goto(new URL(path, url).href)
  await page.waitForFunction(() => globalThis.useNuxtApp?.().isHydrating === false)
}

async function click(name) {
  await page.getByRole('button', { name, exact: true }).click()
  await settled()
}

/** Buttons are disabled while an action runs. */
async function settled() {
  await page.waitForFunction(() => globalThis.document.querySelector('main button:disabled') === null)
}
