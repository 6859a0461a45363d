import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { findWorkers, workersModule } from '../../src/build/workerFiles'

const findConsumers = (directories: string[]) => findWorkers(directories, 'consumers')

const directories: string[] = []

async function project(...files: string[]): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'nvent-store-files-'))
  directories.push(directory)
  for (const file of files) {
    await mkdir(dirname(join(directory, file)), { recursive: true })
    await writeFile(join(directory, file), 'export default {}')
  }
  return directory
}

afterAll(async () => {
  for (const directory of directories) await rm(directory, { recursive: true })
})

describe('the files of consumers', () => {
  it('are found, with their names', async () => {
    const server = await project(
      'consumers/mail.ts', 'consumers/orders/paid.mjs', 'consumers/stock/index.js', 'consumers/a.b.mts', 'api/orders.ts', 'consumer/none.ts',
    )
    expect(await findConsumers([server])).toEqual([
      { name: 'a.b', path: join(server, 'consumers/a.b.mts') },
      { name: 'mail', path: join(server, 'consumers/mail.ts') },
      { name: 'orders:paid', path: join(server, 'consumers/orders/paid.mjs') },
      { name: 'stock', path: join(server, 'consumers/stock/index.js') },
    ])
  })

  it('are no tests, declarations, hidden files or anything but code', async () => {
    const server = await project(
      'consumers/mail.test.ts', 'consumers/mail.spec.js', 'consumers/mail.d.ts', 'consumers/mail.d.mts', 'consumers/.mail.ts', 'consumers/_mail.ts',
      'consumers/_shared/mail.ts', 'consumers/.git/mail.ts', 'consumers/mail.json', 'consumers/mail.vue', 'consumers/ts',
    )
    expect(await findConsumers([server])).toEqual([])
  })

  it('are none where there is no folder, or a file in its place', async () => {
    expect(await findConsumers([await project('api/orders.ts'), await project('consumers'), '/nowhere/at/all'])).toEqual([])
  })

  it('of an app replace those of its layers', async () => {
    const [app, layer] = [await project('consumers/mail.ts'), await project('consumers/mail.js', 'consumers/stock.ts')]
    expect(await findConsumers([app, layer])).toEqual([
      { name: 'mail', path: join(app, 'consumers/mail.ts') }, { name: 'stock', path: join(layer, 'consumers/stock.ts') },
    ])
  })

  it('of one directory are all found, also where two have one name: the server refuses them', async () => {
    const server = await project('consumers/mail.ts', 'consumers/mail/index.ts', 'consumers/orders/mail.ts', 'consumers/orders/mail.js', 'consumers/orders:mail.mjs')
    const layer = await project('consumers/mail.js', 'consumers/orders/mail.ts')
    const found = await findConsumers([server, layer])
    expect(found.map(({ name }) => name)).toEqual(['mail', 'mail', 'orders:mail', 'orders:mail', 'orders:mail'])
    expect(found.map(({ path }) => path.slice(server.length)).sort()).toEqual([
      '/consumers/mail.ts', '/consumers/mail/index.ts', '/consumers/orders/mail.js', '/consumers/orders/mail.ts', '/consumers/orders:mail.mjs',
    ])
  })

  it('of projections are those of their own folder', async () => {
    const server = await project('projections/balances.ts', 'projections/shop/totals.ts', 'consumers/mail.ts')
    expect((await findWorkers([server], 'projections')).map(({ name }) => name)).toEqual(['balances', 'shop:totals'])
  })

  it('become a module that can be read whatever their names', async () => {
    const server = await project('consumers/mail.ts', 'consumers/it\'s "one".ts', 'projections/mail.ts')
    const found = { consumers: await findConsumers([server]), projections: await findWorkers([server], 'projections') }
    const code = workersModule(found, server)
    const { workers } = await import(`data:text/javascript,${encodeURIComponent(code.replaceAll(JSON.stringify(server).slice(1, -1), 'data:text/javascript,export default 5//'))}`) as { workers: unknown }
    expect(workers).toEqual({
      consumers: [{ name: 'it\'s "one"', file: 'consumers/it\'s "one".ts', definition: 5 }, { name: 'mail', file: 'consumers/mail.ts', definition: 5 }],
      projections: [{ name: 'mail', file: 'projections/mail.ts', definition: 5 }],
    })
    expect(workersModule({ consumers: [], projections: [] }, server, ['/first'])).toBe('import "/first"\nexport const workers = {\n  consumers: [\n  ],\n  projections: [\n  ],\n}\n')
  })
})
