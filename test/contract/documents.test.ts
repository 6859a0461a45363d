import { readFileSync } from 'node:fs'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { pgliteEmptied } from '../setup/backends'
import * as core from '../../src/runtime/core/index'
import type { Store } from '../../src/runtime/core/types'
import { workerNamed, workersOf } from '../../src/runtime/server/workerFiles'

// Examples are run as they stand. `// → value` beside an expression is what it must give; an object there names
// the members that count.
const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const blocksOf = (text: string, language: string) =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(match => match[1]!)

const EXPECTATION = /^(const \w+ = )?(.+?) \/\/ → (.+)$/gm
const IMPORT = /^import (?:\* as )?(.+) from '(.+)'$/gm
const packages: Record<string, () => Promise<unknown>> = {
  'nvent-store-postgres/core': () => Promise.resolve(core),
  'zod': () => import('zod'),
  'valibot': () => import('valibot'),
  'arktype': () => import('arktype'),
}

const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor as new (...args: string[]) => (...args: unknown[]) => Promise<void>

async function run(example: string, store: Store): Promise<number> {
  let checked = 0
  const code = example
    .replace(IMPORT, 'const $1 = await load(\'$2\')')
    .replace(EXPECTATION, (_, declaration: string | undefined, expression: string, expected: string) =>
      `${declaration ?? ''};check(${expression.replace(/;$/, '')}, (${expected}))`)
  const check = (actual: unknown, expected: unknown) => {
    checked++
    if (typeof expected === 'object' && expected !== null && !Array.isArray(expected)) expect(actual).toMatchObject(expected)
    else expect(actual).toEqual(expected)
  }
  // In a block of its own: an example may name its own store.
  const { outputText } = ts.transpileModule(`{${code}}`, { compilerOptions: { target: ts.ScriptTarget.ESNext, module: ts.ModuleKind.ESNext } })
  await new AsyncFunction('store', 'load', 'check', outputText)(store, (name: string) => packages[name]!(), check)
  return checked
}

describe.each([['README.md', 5], ['docs/typed-streams.md', 3], ['docs/dead-letters.md', 1], ['docs/consumers.md', 3], ['docs/outbox.md', 2], ['docs/dedupe.md', 3], ['docs/rules.md', 4], ['docs/projections.md', 2], ['docs/aggregates.md', 4], ['docs/migrating-from.md', 2]])('the examples of %s', (document, least) => {
  const examples = blocksOf(read(document), 'ts')
    // Whole files of an app are tested as an app (test/e2e/readme.test.ts).
    .filter(block => !/^\/\/ (?:nuxt\.config|server\/)/.test(block))

  it('there are some', () => {
    expect(examples.length).toBeGreaterThanOrEqual(least)
  })

  it.each(examples.map(example => [example.trim().split('\n', 1)[0]!, example]))('%s', async (_, example) => {
    const { store } = await pgliteEmptied.open()
    expect(await run(example, store)).toBeGreaterThan(0)
  })
})

describe('the examples of docs/events.md', () => {
  it('run one after the other', async () => {
    const { store } = await pgliteEmptied.open()
    let checked = 0
    for (const example of blocksOf(read('docs/events.md'), 'ts')) checked += await run(example, store)
    expect(checked).toBeGreaterThan(10)
  })
})

/** Runs a file of an app, with the functions that are imported for it; gives its default export. */
async function fileOf<T>(document: string, file: string, imported: Record<string, unknown>): Promise<T> {
  const example = blocksOf(read(document), 'ts').find(block => block.startsWith(`// ${file}\n`))!
  const { outputText } = ts.transpileModule(example.replace(/^import .*\n/gm, '').replace('export default', 'return'), { compilerOptions: { target: ts.ScriptTarget.ESNext, module: ts.ModuleKind.ESNext } })
  return await new AsyncFunction(...Object.keys(imported), outputText)(...Object.values(imported)) as T
}

describe('the files of docs/outbox.md', () => {
  it('send a message for what is committed', async () => {
    const { store } = await pgliteEmptied.open()
    const sent: unknown[] = []
    const $fetch = async (url: string, { body, headers }: { body: unknown, headers: object }) => {
      // It is away at first.
      if (sent.push([url, body, headers]) === 1) throw new Error('503')
    }
    const route = { useStore: () => store, defineEventHandler: <T>(handler: T) => handler, getRouterParam: () => '42', useConsumer: (name: string) => workerNamed(consumers, name, 'consumers') }
    const definition = await fileOf<core.RelayDefinition>('docs/outbox.md', 'server/consumers/mail.ts', { defineRelay: core.defineRelay, $fetch })
    const { consumers } = workersOf(store, { projections: [], consumers: [{ name: 'mail', file: 'server/consumers/mail.ts', definition: { ...definition, backoff: { first: 0 } } }] })
    const pay = await fileOf<(event: object) => Promise<void>>('docs/outbox.md', 'server/api/orders/[id]/pay.post.ts', route)
    const cron = await fileOf<() => Promise<core.RunOnceResult>>('docs/outbox.md', 'server/api/cron/mail.get.ts', route)
    await pay({})
    const [message] = await store.stream.read('nvent:outbox:key:ann@example.com')
    expect(await cron()).toMatchObject({ caughtUp: true })
    const call = ['https://mail.example.com/send', { to: 'ann@example.com', order: '42' }, { 'idempotency-key': message!.id }]
    expect(sent).toEqual([call, call])
  })
})

describe('the file of docs/projections.md', () => {
  it('keeps balances', async () => {
    const { store } = await pgliteEmptied.open()
    const imported = { defineProjection: core.defineProjection, z: (await import('zod')).z }
    const definition = await fileOf<core.ProjectionDefinition>('docs/projections.md', 'server/projections/balances.ts', imported)
    const { projections } = workersOf(store, { consumers: [], projections: [{ name: 'balances', file: 'server/projections/balances.ts', definition }] })
    for (const amount of [5, 7]) await store.stream.append('accounts:1', { type: 'deposited', data: { amount } })
    await workerNamed(projections, 'balances', 'projections').runOnce()
    expect(await store.projections.get('balances', 'accounts:1')).toEqual({ balance: 12 })
  })
})

describe('the SQL of docs/tables.md', () => {
  it('runs on the tables of a store', async () => {
    const { store } = await pgliteEmptied.open()
    await store.stream.append('orders:42', { type: 'order.placed' })
    await store.index.add('orders', '42', 1, { status: 'paid' })
    await store.index.add('nvent:flow:runs:checkout', 'r1', 1, { status: 'running', startedAt: 1700000000000 })
    const statements = blocksOf(read('docs/tables.md'), 'sql').join('\n').split(';').filter(statement => statement.trim())
    const results: unknown[] = []
    for (const statement of statements) {
      results.push((await store.transaction(tx => tx.query(statement))).rows)
    }
    expect(results).toEqual([
      [{ run_id: 'r1', status: 'running', to_timestamp: new Date(1700000000000) }],
      [{ id: '42', metadata: { status: 'paid' } }],
      [], [],
      [{ jsonb_deep_merge: { a: { b: 1 } } }],
    ])
    expect(await store.stream.read('orders:42')).toEqual([])
  })
})
